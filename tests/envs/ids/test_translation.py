"""The defaults of `lm_envs/Translation-v0`."""

import gymnasium as gym
import pytest

from tests.envs.helpers import make

ID = "lm_envs/Translation-v0"


def test_the_prompt_is_an_english_text_and_the_other_language():
    env = make(1, env_id=ID)
    assert env.single_action_space == gym.spaces.Discrete(16)
    prompt = env.reset(seed=0)[1]["prompt"][0]
    assert prompt.startswith("English: ")
    assert prompt.endswith("\nFrench:")


def test_in_simultaneous_mode_an_action_reads_or_writes():
    env = make(1, env_id=ID, mode="simultaneous")
    assert env.single_action_space == gym.spaces.Discrete(2)
    assert env.single_observation_space.shape == (env.outputs.hidden.shape[1] + 16,)
    assert env.task.reward.weights["differentiable_lagging"] == -0.05


def test_other_actions_are_refused_in_simultaneous_mode():
    with pytest.raises(ValueError, match="mode='simultaneous' works with actions='read_write'"):
        gym.make(ID, mode="simultaneous", actions="top_k")
