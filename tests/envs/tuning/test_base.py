"""What all environments share whose actions adjust the model."""

import re

import gymnasium as gym
import numpy as np
import pytest

from lm_envs.sb3 import make_language_vec_env
from tests.envs.tuning.helpers import SMALL, make_one, make_rows, random_actions

NUM_ROWS, NUM_STEPS = 3, 9


@pytest.mark.parametrize("name", SMALL)
def test_rows_replay_the_single_environment(name):
    batch = make_rows(name)
    singles = [make_one(name) for _ in range(NUM_ROWS)]
    observations, _ = batch.reset(seed=11)
    for row, env in enumerate(singles):
        np.testing.assert_array_equal(observations[row], env.reset(seed=11 + row)[0])
    for actions in random_actions(batch):
        observations, rewards, terminated, _, infos = batch.step(actions)
        for row, env in enumerate(singles):
            observation, reward, is_over, _, info = env.step(actions[row])
            assert (rewards[row], terminated[row]) == (reward, is_over)
            if is_over:
                np.testing.assert_array_equal(infos["final_obs"][row], observation)
                final = infos["final_info"]["scores"]
                assert {key: final[key][row] for key in info["scores"]} == info["scores"]
                observation, _ = env.reset()
            np.testing.assert_array_equal(observations[row], observation)


def test_part_of_a_split_has_part_of_the_groups():
    whole, half = (
        make_rows("WeightTuning", split=f"validation{part}").unwrapped.num_examples
        for part in ("", "[:50%]")
    )
    assert half == pytest.approx(whole / 2, abs=1)


@pytest.mark.parametrize("name", SMALL)
def test_rewards_of_an_episode_add_up_to_its_score(name):
    env = make_one(name)
    env.reset(seed=0)
    total = 0.0
    for action in random_actions(env):
        _, reward, terminated, _, info = env.step(action)
        total += reward
        if terminated:
            break
    assert total == pytest.approx(info["scores"]["reward"], abs=1e-9)
    assert info["ending"] in ("budget", "complete")


@pytest.mark.parametrize("name", SMALL)
def test_a_restored_environment_continues_as_before(name):
    env, other = make_rows(name), make_rows(name)
    env.reset(seed=3)
    *before, first, second = random_actions(env, 5)
    for actions in before:
        env.step(actions)
    state = env.unwrapped.get_state()
    expected = [env.step(first), env.step(second)]
    other.reset(seed=99)
    np.testing.assert_array_equal(
        other.unwrapped.set_state(state), make_rows(name).unwrapped.set_state(state)
    )
    for actions, step in zip((first, second), expected, strict=True):
        observations, rewards, terminated, _, infos = other.step(actions)
        np.testing.assert_array_equal(observations, step[0])
        np.testing.assert_array_equal(rewards, step[1])
        np.testing.assert_array_equal(terminated, step[2])
        assert infos["text"].tolist() == step[4]["text"].tolist()


@pytest.mark.parametrize("name", SMALL)
def test_a_state_of_other_arguments_is_refused_and_nothing_changes(name):
    env = make_rows(name)
    before, _ = env.reset(seed=3)
    state = env.unwrapped.get_state()
    state["episodes"]["rows"][1]["index"] = 10**6
    with pytest.raises(ValueError, match="row 1 is of an environment with other arguments"):
        env.unwrapped.set_state(state)
    foreign = make_rows(name, split="validation")
    foreign.reset(seed=3)
    wrong = {
        r"not of tuned rows: without \['rows'\]": {"episodes": {}},
        "not of 3 tuned rows": {"episodes": {"rows": [{}]}},
        "row 0 is of an env": {"episodes": foreign.unwrapped.get_state()["episodes"]},
        r"over has shape \(2,\)": {"over": state["over"][:2]},
        "allowed: 3 rows": {"generators": state["generators"][:2]},
        r"not of tuned rows: without \['actions'": {"episodes": {"rows": [{}, {}, {}]}},
        "not of tuned rows, but int": {"episodes": {"rows": [1, 2, 3]}},
        "generator of row 0": {"generators": [{}, {}, {}]},
    }
    for message, part in wrong.items():
        with pytest.raises(ValueError, match=message):
            env.unwrapped.set_state(env.unwrapped.get_state() | part)
    np.testing.assert_array_equal(env.unwrapped.observe(), before)


@pytest.mark.parametrize("name", SMALL)
def test_a_state_of_another_environment_is_refused_and_nothing_changes(name):
    """Regression: an empty state was a KeyError."""
    env = make_one(name).unwrapped
    before, _ = env.reset(seed=3)
    writing, other = gym.make("lm_envs/NextWord-v0").unwrapped, make_one(name).unwrapped
    writing.reset(seed=3)
    other.reset(seed=3)
    state = other.get_state()
    actions = [["x"], [None], [{}], [[0.0] * 99], 3]
    (own,) = state["episodes"]["rows"]
    changes = [*({"actions": each} for each in actions), {"index": "x"}]
    states = [
        *({}, None, writing.get_state()),
        *(state | {"episodes": {"rows": [own | change]}} for change in changes),
    ]
    for wrong in states:
        with pytest.raises(ValueError, match="Got a state"):
            env.set_state(wrong)
        np.testing.assert_array_equal(env.batch.observe()[0], before)
    with pytest.raises(
        ValueError, match="Got a state that is not of an environment that writes text"
    ):
        writing.set_state(state)


@pytest.mark.parametrize("name", SMALL)
def test_stable_baselines3_gets_losses_and_episode_ends(name):
    venv = make_language_vec_env(f"lm_envs/{name}-v0", NUM_ROWS, 0, **SMALL[name])
    venv.reset()
    assert all(re.match(r"(a passage|\d passages) of", info["prompt"]) for info in venv.reset_infos)
    for actions in random_actions(venv.vector_env):
        _, rewards, dones, infos = venv.step(actions)
        assert all(np.isfinite(info["loss"]) for info in infos)
        for row in np.flatnonzero(dones):
            assert infos[row]["episode"]["r"] == pytest.approx(
                infos[row]["scores"]["reward"], abs=1e-5
            )
    assert rewards.dtype == np.float32


@pytest.mark.parametrize("name", SMALL)
def test_a_row_that_starts_gets_no_reward(name):
    """Regression: sums were rounded in rows that had not acted."""
    env = make_rows(name, mode="next_step")
    env.reset(seed=4)
    over = np.zeros(NUM_ROWS, bool)
    for actions in random_actions(env, 3 * NUM_STEPS):
        _, rewards, terminated, truncated, _ = env.step(actions)
        assert (rewards[over] == 0.0).all()
        over = terminated | truncated


def test_get_state_before_the_first_reset_is_refused():
    env = make_rows("StructureSearch").unwrapped
    with pytest.raises(gym.error.ResetNeeded, match="call reset"):
        env.get_state()


@pytest.mark.parametrize("name", SMALL)
def test_an_index_selects_the_passages(name):
    env = make_one(name)
    _, first = env.reset(options={"index": 2})
    _, again = env.reset(seed=1, options={"index": 2})
    assert first["prompt"] == again["prompt"] != env.reset(options={"index": 1})[1]["prompt"]
    with pytest.raises(ValueError, match="Got index -1"):
        env.reset(options={"index": -1})
    with pytest.raises(ValueError, match="allowed: reset_mask, index"):
        env.reset(options={"prompt": "a text"})


def test_a_step_limit_truncates():
    env = make_one("WeightTuning", max_steps=2)
    env.reset(seed=0)
    nothing = np.zeros(env.action_space.shape, np.float32)
    assert env.step(nothing)[2:4] == (False, False)
    *_, terminated, truncated, info = env.step(nothing)
    assert (terminated, truncated, info["ending"]) == (False, True, "time_limit")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("WeightTuning", {"adjustments": 0}, "adjustments=0"),
        ("WeightTuning", {"parts": "neurons"}, "parts='neurons'"),
        ("WeightTuning", {"passages": 5000}, "allowed: up to"),
        ("StructureSearch", {"ruin": 0.0}, "ruin=0.0"),
        ("StructureSearch", {"price": float("nan")}, "price=nan"),
        ("StructureSearch", {"max_steps": 0}, "max_steps=0"),
        ("TrainingControl", {"passages": 1}, "passages=1"),
        ("TrainingControl", {"optimiser_steps": 0}, "optimiser_steps=0"),
        ("TrainingControl", {"dtype": "int8"}, "dtype='int8' for training"),
        ("TrainingControl", {"autoreset_mode": "never"}, "autoreset_mode='never'"),
    ],
)
def test_bad_arguments_are_refused(name, options, message):
    with pytest.raises(ValueError, match=message):
        gym.make_vec(f"lm_envs/{name}-v0", num_envs=1, **SMALL[name] | options)


@pytest.mark.parametrize("name", SMALL)
def test_an_action_outside_the_space_is_refused_and_changes_nothing(name):
    env = make_rows(name)
    before, _ = env.reset(seed=0)
    wrong = env.action_space.sample()
    wrong[1] = 99
    with pytest.raises(ValueError, match="in row 1; allowed"):
        env.step(wrong)
    np.testing.assert_array_equal(env.unwrapped.observe(), before)


@pytest.mark.parametrize("name", ["WeightTuning", "CacheEviction"])
def test_rows_of_a_group_have_the_same_passages(name):
    env = make_rows(name, 4, group_size=2, adjustments=2)
    env.reset(seed=0)
    for _ in range(3):
        found = [env.unwrapped.tuner.passages_of(row).index for row in range(4)]
        assert found[0] == found[1]
        assert found[2] == found[3]
        assert found[0] != found[2]
        for _ in range(2):
            env.step(env.action_space.sample())


def test_a_restored_group_draws_what_it_would_have_drawn():
    envs = [make_rows("CacheEviction", 4, group_size=2, adjustments=2) for _ in range(2)]
    envs[0].reset(seed=0)
    actions = np.zeros(4, np.int64)
    envs[0].step(actions)
    envs[1].unwrapped.set_state(envs[0].unwrapped.get_state())
    for _ in range(4):
        np.testing.assert_array_equal(envs[0].step(actions)[0], envs[1].step(actions)[0])


def test_states_from_before_there_were_groups_are_read():
    env = make_rows("StructureSearch")
    observations, _ = env.reset(seed=3)
    state = env.unwrapped.get_state()
    state["episodes"] = state["episodes"]["rows"]
    np.testing.assert_array_equal(env.unwrapped.set_state(state), observations)


def test_a_group_size_that_divides_no_rows_is_refused():
    with pytest.raises(ValueError, match="Got group_size=2 for 3 rows; allowed: a divisor, 1, 3"):
        make_rows("WeightTuning", 3, group_size=2)
