"""Best-of-n distillation."""

import numpy as np
import pytest

from agents.language_model.distillation import distill
from lm_envs.model.loading import EMBEDDED
from tests.agents.language_model.language_agents import make_agent, make_env, rows_of

SETTINGS = {"rounds": 15, "prompts": 8, "n": 4, "learning_rate": 1e-3, "seed": 0}


def vowels(text, references):
    """The share of vowels among a text's characters."""
    return sum(character in "aeiou" for character in text) / len(text)


def test_rewards_of_samples_rise(checkpoint):
    limits = {"max_new_tokens": 7, "prompt_tokens": 6}
    env = rows_of(checkpoint, rewards={f"{__name__}:vowels": 1.0}, **limits)
    policy = make_agent(checkpoint, make_env(checkpoint)).policy
    rewards = np.array(list(distill(policy, env, **SETTINGS)))
    assert (rewards[:, 1] > rewards[:, 0]).all()
    assert rewards[-5:, 0].mean() > rewards[:5, 0].mean() + 0.1


def test_tasks_of_several_turns_are_refused(checkpoint):
    policy = make_agent(checkpoint, make_env(checkpoint)).policy
    with pytest.raises(ValueError, match=r"Got Dialogue, .* leave distillation out"):
        next(distill(policy, rows_of(EMBEDDED, "Dialogue"), **SETTINGS))
