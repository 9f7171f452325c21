"""Row i of the batch is the single environment seeded seed + i, in every autoreset mode."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

import lm_envs  # noqa: F401 - registers the ids

SEED = 7
OPTIONS = {"max_new_tokens": 12, "prompt_tokens": 9}
QUICK = [(1, 300), (2, 300), (7, 60), (32, 30)]
FULL = [pytest.param(rows, 1000, marks=pytest.mark.slow) for rows in (1, 2, 7, 32)]
TOLERANCE = {"rtol": 0, "atol": 2e-5}


def follow(env, seed, actions):
    """Yields the results of a single environment under actions (T,); resets it at each end."""
    yield env.reset(seed=seed)
    for action in actions:
        observation, reward, terminated, truncated, info = env.step(action)
        final = (observation, info) if terminated or truncated else None
        if final:
            observation, _ = env.reset()
        yield observation, reward, terminated, truncated, info, final


def singles(num_rows):
    """Returns the single environments that N rows are compared with."""
    return [gym.make("lm_envs/NextWord-v0", **OPTIONS) for _ in range(num_rows)]


@pytest.mark.parametrize(("num_rows", "steps"), QUICK + FULL)
def test_same_step_rows_replay_the_single_environment(num_rows, steps):
    actions = np.random.default_rng(0).integers(0, 16, (steps, num_rows))
    batch = gym.make_vec(
        "lm_envs/NextWord-v0", num_envs=num_rows, autoreset_mode="same_step", **OPTIONS
    )
    observations, infos = batch.reset(seed=SEED)
    runs = [follow(env, SEED + row, actions[:, row]) for row, env in enumerate(singles(num_rows))]
    for row, run in enumerate(runs):
        observation, info = next(run)
        np.testing.assert_allclose(observations[row], observation, **TOLERANCE)
        assert infos["prompt"][row] == info["prompt"]
    for step in range(steps):
        observations, rewards, terminated, truncated, infos = batch.step(actions[step])
        for row, run in enumerate(runs):
            observation, reward, was_terminated, was_truncated, info, final = next(run)
            assert rewards[row] == reward
            assert (terminated[row], truncated[row]) == (was_terminated, was_truncated)
            assert infos["text"][row] == info["text"]
            np.testing.assert_allclose(observations[row], observation, **TOLERANCE)
            if final:
                np.testing.assert_allclose(infos["final_obs"][row], final[0], **TOLERANCE)
                assert infos["final_info"]["ending"][row] == info["ending"]
                assert infos["final_info"]["scores"]["reward"][row] == info["scores"]["reward"]


@pytest.mark.parametrize(("num_rows", "steps"), QUICK + FULL)
@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.DISABLED])
def test_rows_replay_the_single_environment_when_reset_a_step_later(num_rows, steps, mode):
    actions = np.random.default_rng(0).integers(0, 16, (steps, num_rows))
    batch = gym.make_vec("lm_envs/NextWord-v0", num_envs=num_rows, autoreset_mode=mode, **OPTIONS)
    envs = singles(num_rows)
    observations, _ = batch.reset(seed=SEED)
    expected = [env.reset(seed=SEED + row)[0] for row, env in enumerate(envs)]
    np.testing.assert_allclose(observations, np.stack(expected), **TOLERANCE)
    over = np.zeros(num_rows, bool)
    for step in range(steps):
        if mode is AutoresetMode.DISABLED and over.any():
            observations, _ = batch.reset(options={"reset_mask": over.copy()})
            for row in np.flatnonzero(over):
                np.testing.assert_allclose(observations[row], envs[row].reset()[0], **TOLERANCE)
            over[:] = False
        observations, rewards, terminated, truncated, infos = batch.step(actions[step])
        for row, env in enumerate(envs):
            if over[row]:  # NEXT_STEP: the action is ignored, the episode begins
                observation, (reward, was_over) = env.reset()[0], (0.0, False)
            else:
                observation, reward, was_terminated, was_truncated, info = env.step(
                    actions[step, row]
                )
                was_over = was_terminated or was_truncated
                assert infos["text"][row] == info["text"]
            assert rewards[row] == reward
            assert (terminated | truncated)[row] == was_over
            np.testing.assert_allclose(observations[row], observation, **TOLERANCE)
        over = terminated | truncated


CHOICES = [
    ("lm_envs/Classification-v0", {"actions": "choices", "kind": "language"}, 3),
    ("lm_envs/Classification-v0", {"mode": "sequential", "actions": "choices"}, 9),
    ("lm_envs/KnowledgeGraphQA-v0", {}, 19),
    ("lm_envs/Dialogue-v0", {}, 18),
    ("lm_envs/Translation-v0", {"mode": "simultaneous"}, 2),
]


@pytest.mark.parametrize(("env_id", "options", "count"), CHOICES)
def test_rows_of_other_actions_replay_the_single_environment(env_id, options, count):
    num_rows, steps = 5, 24
    actions = np.random.default_rng(1).integers(0, count, (steps, num_rows))
    batch = gym.make_vec(env_id, num_envs=num_rows, autoreset_mode="same_step", **options)
    observations, _ = batch.reset(seed=SEED)
    for row in range(num_rows):
        env = gym.make(env_id, **options)
        run = follow(env, SEED + row, actions[:, row])
        np.testing.assert_allclose(observations[row], next(run)[0], **TOLERANCE)
        batch.reset(seed=SEED)
        for step in range(steps):
            now, rewards, terminated, truncated, infos = batch.step(actions[step])
            observation, reward, was_terminated, was_truncated, info, _ = next(run)
            assert rewards[row] == reward
            assert (terminated[row], truncated[row]) == (was_terminated, was_truncated)
            assert infos["text"][row] == info["text"]
            np.testing.assert_allclose(now[row], observation, **TOLERANCE)


@pytest.mark.parametrize("env_id", ["lm_envs/KnowledgeGraphQA-v0", "lm_envs/Dialogue-v0"])
def test_steps_after_a_restored_turn_are_the_same(env_id):
    env = gym.make_vec(env_id, num_envs=3, autoreset_mode="same_step").unwrapped
    env.reset(seed=0)
    env.step(np.array([1, 2, 3]))
    state = env.get_state()
    expected = [env.step(np.array([4, 5, 6]))[:2] for _ in range(3)]
    env.set_state(state)
    for observations, rewards in expected:
        again = env.step(np.array([4, 5, 6]))
        np.testing.assert_array_equal(again[0], observations)
        np.testing.assert_array_equal(again[1], rewards)


TURNS = [
    ("lm_envs/KnowledgeGraphQA-v0", {"observation": "hidden"}, 19),
    ("lm_envs/Dialogue-v0", {"actions": {"kind": "choices", "scores": True}}, 18),
]


@pytest.mark.parametrize(("env_id", "options", "count"), TURNS)
def test_contexts_read_in_parts_agree_with_whole_prefills(env_id, options, count):
    env = gym.make_vec(env_id, num_envs=6, autoreset_mode="same_step", **options).unwrapped
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    rows = np.arange(6)
    for _ in range(20):
        env.step(rng.integers(0, count, 6))
        hidden = env.outputs.hidden
        whole = env.engine.prefill(rows, env.episodes.contexts_of(rows)).hidden
        np.testing.assert_allclose(hidden, whole, **TOLERANCE)
        env.set_state(env.get_state())
        np.testing.assert_array_equal(env.outputs.hidden, hidden)


@pytest.mark.parametrize(("env_id", "options", "count"), TURNS)
def test_a_restored_state_has_the_same_observations_also_at_the_end_of_an_episode(
    env_id, options, count
):
    """Regression: the last observation lacked the last line, and after a restore other lines
    were offered."""
    env = gym.make_vec(env_id, num_envs=4, autoreset_mode="disabled", **options).unwrapped
    rng, over = np.random.default_rng(1), np.zeros(4, bool)
    env.reset(seed=0)
    for _ in range(12):
        observations, _, terminated, truncated, _ = env.step(rng.integers(0, count, 4))
        masks = env.action_masks()
        np.testing.assert_array_equal(env.set_state(env.get_state()), observations)
        np.testing.assert_array_equal(env.action_masks(), masks)
        over = terminated | truncated
        if over.any():
            env.reset(options={"reset_mask": over})
