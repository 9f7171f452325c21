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
    """What a single environment does under (T,) actions, reset by hand when it is over."""
    yield env.reset(seed=seed)
    for action in actions:
        observation, reward, terminated, truncated, info = env.step(action)
        final = (observation, info) if terminated or truncated else None
        if final:
            observation, _ = env.reset()
        yield observation, reward, terminated, truncated, info, final


def singles(num_rows):
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
