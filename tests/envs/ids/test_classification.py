"""The defaults of `lm_envs/Classification-v0`."""

import gymnasium as gym
import numpy as np
import pytest

from tests.envs.helpers import make

ID = "lm_envs/Classification-v0"


@pytest.mark.parametrize(
    ("kind", "last"), [("sentiment", "Sentiment:"), ("language", "Language:"), ("topic", "Topic:")]
)
def test_the_prompt_is_a_text_and_the_name_of_the_label(kind, last):
    env = make(1, env_id=ID, kind=kind)
    prompt = env.reset(seed=0)[1]["prompt"][0]
    assert prompt.startswith("Text: ")
    assert prompt.endswith("\n" + last)
    assert env.single_action_space == gym.spaces.Discrete(16)


def test_labels_to_choose_from_are_in_alphabetical_order():
    env = make(1, env_id=ID, kind="sentiment", actions="choices")
    env.reset(options={"index": 0})
    labels = [option.text for option in env.task.options(env.episodes.examples[0], [])]
    assert labels == sorted(labels)
    assert env.single_action_space == gym.spaces.Discrete(len(labels))
    *_, infos = env.step(np.array([labels.index("positive")]))
    assert infos["scores"]["accuracy"][0] == 1.0
