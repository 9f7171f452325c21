"""The single environment is row 0 of a one-row vector environment."""

import gymnasium as gym
import numpy as np
import pytest

from tests.envs.helpers import FAILING, ID, failing_score, make


@pytest.mark.parametrize("dense", [True, False])
def test_a_step_limit_scores_and_rewards_as_in_the_vector_environment(dense):
    """Regression: `max_episode_steps` was Gymnasium's TimeLimit in one and the batch's in other."""
    options = {"max_steps": 3, "dense": dense}
    batch, single = make(1, **options), gym.make(ID, max_new_tokens=8, **options)
    batch.reset(seed=0)
    single.reset(seed=0)
    for _ in range(3):
        _, rewards, terminated, truncated, infos = batch.step(np.array([1]))
        _, reward, was_terminated, was_truncated, info = single.step(1)
        assert (rewards[0], terminated[0], truncated[0]) == (reward, was_terminated, was_truncated)
    assert (infos["ending"][0], info["ending"], was_truncated) == ("time_limit", "time_limit", True)
    assert info["scores"]["reward"] == infos["scores"]["reward"][0] != 0
    assert reward != 0


def test_a_single_environment_has_to_be_reset_after_a_failed_step(monkeypatch):
    env = gym.make(ID, **FAILING)
    env.reset(seed=0)
    with monkeypatch.context() as patch:
        patch.setattr(failing_score, "is_failing", True)
        with pytest.raises(RuntimeError, match="from score"):
            env.step(0)
    with pytest.raises(gym.error.ResetNeeded, match=r"after a step\(\) that failed; call reset"):
        env.step(0)
    env.reset(seed=0)
    assert env.step(0)[1] == 0.5


def test_infos_are_plain_python_values():
    env = gym.make(ID, max_new_tokens=2)
    assert set(env.reset(seed=0)[1]) == {"prompt"}
    env.step(0)
    _, reward, terminated, truncated, info = env.step(0)
    assert [type(value) for value in (reward, terminated, truncated)] == [float, bool, bool]
    assert type(info["logprob"]) is float
    assert type(info["scores"]["reward"]) is float
    assert not any(name.startswith("_") for name in info)


def test_human_mode_prints_the_text_and_returns_nothing(capsys):
    env = gym.make(ID, render_mode="human")
    env.reset(options={"prompt": "Once upon a time"})
    env.step(0)
    assert "Once" in capsys.readouterr().out
    assert env.render() is None


def test_a_restored_single_environment_continues_as_before():
    env, other = (gym.make(ID).unwrapped for _ in range(2))
    env.reset(seed=5)
    observation = env.step(3)[0]
    np.testing.assert_array_equal(other.set_state(env.get_state()), observation)
    np.testing.assert_array_equal(env.step(1)[0], other.step(1)[0])


@pytest.mark.parametrize("seed", [-1, [1, 2], "x", 1.5])
def test_a_bad_seed_is_a_value_error(seed):
    """Regression: some were errors of Gymnasium's own class."""
    env = gym.make("lm_envs/NextWord-v0").unwrapped
    with pytest.raises(ValueError, match=r"allowed: None, a whole number, 0 or more"):
        env.reset(seed=seed)


@pytest.mark.parametrize("options", [1, {"reset_mask"}, [3], {3: 1, "x": 2}])
def test_options_that_are_no_known_dict_are_a_value_error(options):
    """Regression: these were TypeError and AttributeError."""
    env = gym.make("lm_envs/NextWord-v0").unwrapped
    with pytest.raises(ValueError, match=r"Got reset options .*allowed: .*reset_mask, index"):
        env.reset(options=options)


def test_the_human_mode_prints_no_escape_codes_into_a_pipe(capsys):
    """Regression: a log of a run held escape codes."""
    env = gym.make("lm_envs/NextWord-v0", render_mode="human")
    env.reset(seed=0)
    env.step(0)
    shown = capsys.readouterr().out
    assert "reward" in shown
    assert "\x1b" not in shown


def test_a_step_after_the_end_names_the_plain_reset():
    env = gym.make(ID, max_new_tokens=1)
    env.reset(seed=0)
    env.step(0)
    with pytest.raises(gym.error.ResetNeeded, match=r"of a finished episode; call reset\(\)"):
        env.step(0)


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (1.0, r"Got action 1.0; allowed: a whole number, 0 to 15, such as int\(action\)"),
        (" the", "Got action ' the'; allowed: a whole number, 0 to 15"),
        (None, "Got action None; allowed: a whole number, 0 to 15"),
        ([3], r"Got an action of shape \(1,\); allowed: one action, of shape \(\)"),
    ],
)
def test_an_action_that_is_none_is_refused_in_words_of_one_environment(action, message):
    env = gym.make(ID)
    env.reset(seed=0)
    with pytest.raises(ValueError, match=message):
        env.step(action)
    assert env.step(0)[4]["text"]


def test_arguments_of_batches_are_refused_with_the_function_that_takes_them():
    with pytest.raises(TypeError, match=r"num_envs for a single environment; use gymnasium.make_v"):
        gym.make(ID, num_envs=4)
    with pytest.raises(ValueError, match=r"render_mode='rgb'; allowed: None, 'ansi', .*'human'"):
        gym.make(ID, render_mode="rgb")
    with pytest.raises(ValueError, match=r"seed=-1; allowed: None, a whole number, 0 or more[.]"):
        gym.make(ID).reset(seed=-1)
