from io import StringIO

import gymnasium as gym
import numpy as np
import pytest
from rich.console import Console

import lm_envs
from agents.viewing.play_session import PlaySession, opponents_for
from tests.agents.viewing.traces import config_for, make_agent

gym.register_envs(lm_envs)


def play(keys, env, agent=None, episodes=1):
    """Returns the session after these keys, and what was printed."""
    console = Console(file=StringIO(), width=80, color_system=None)
    left = list(keys)
    session = PlaySession(
        env, opponents_for(env, agent), console, lambda: left.pop(0) if left else ""
    )
    session.play(range(episodes))
    return session, console.file.getvalue()


def make(env_id="lm_envs/NextWord-v0", **arguments):
    arguments = {"num_envs": 1, "autoreset_mode": "disabled", **arguments}
    return gym.make_vec(env_id, **arguments).unwrapped


def test_the_first_key_plays_as_greedy_does():
    session, text = play("111", make(max_new_tokens=3))
    assert session.rewards["you"] == session.rewards["greedy"]
    assert "greedy would have chosen: " in text
    assert "greedy would choose: " not in text  # there was no "?"
    assert max(map(len, text.splitlines())) <= 80


def test_an_agent_plays_the_same_episodes():
    agent, _ = make_agent(config_for(max_new_tokens=3))
    session, text = play("21?3122", make(max_new_tokens=3), agent, episodes=2)
    assert {name: len(values) for name, values in session.rewards.items()} == {
        "you": 2,
        "greedy": 2,
        "agent": 2,
    }
    assert "rewards on the same examples" in text


@pytest.mark.parametrize("keys", [["1", "q"], ["1"], ["Z", "\x1b[2J", ""]])
def test_quitting_and_wrong_keys_end_in_words(keys):
    session, text = play(keys, make(max_new_tokens=3))
    assert session.rewards["you"] == []
    assert "You have quit" in text
    assert "\x1b" not in text


@pytest.mark.parametrize("env_id", ["lm_envs/StructureSearch-v0", "lm_envs/WeightTuning-v0"])
def test_the_model_can_be_adjusted_by_key(env_id):
    env = make(env_id, passages=2, adjustments=2)
    session, _ = play("2222", env)
    assert len(session.rewards["you"]) == 1
    assert np.isfinite(session.rewards["you"]).all()


def test_each_key_of_a_continuous_setting_changes_it_at_every_step():
    """Regression: keys stood for plans of the whole episode, so that later keys did nothing."""
    env = make("lm_envs/WeightTuning-v0", passages=2, adjustments=3)
    _, text = play("3?22", env)
    assert "temperature 0.88" in text  # the third key lowers it, the second one raises it
    assert text.index("temperature 0.88") < text.index("temperature 1.00")
    assert text.index("temperature 1.00") < text.index("temperature 1.13")
    assert "the unchanged model would choose: every setting 0" in text


def test_lines_have_the_models_mean_log_probability():
    _, text = play("1q", make("lm_envs/Dialogue-v0"))
    assert "model, nats a token" in text
    assert "%" not in text


def test_points_stand_for_tokens():
    session, text = play("11", make(actions="embedding", max_new_tokens=2))
    assert text.count("greedy would have chosen: ") == 2
    assert session.rewards["you"] == pytest.approx(session.rewards["greedy"])
