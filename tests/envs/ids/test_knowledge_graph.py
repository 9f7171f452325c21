"""The defaults of `lm_envs/KnowledgeGraphQA-v0`."""

import gymnasium as gym
import numpy as np

from tests.envs.helpers import make

ID = "lm_envs/KnowledgeGraphQA-v0"


def test_an_action_is_a_relation_a_relation_backwards_or_to_stop():
    env = make(1, env_id=ID)
    assert env.single_action_space == gym.spaces.Discrete(19)
    names = ["text_mean", "last_tokens", "choice_enabled", "turns_left"]
    assert list(env.observation.columns) == names


def test_the_prompt_is_a_question_and_the_path_so_far():
    env = make(1, env_id=ID)
    prompt = env.reset(options={"index": 0})[1]["prompt"][0]
    first, path, last = prompt.split("\n")
    assert (first, path) == ("Question: What is the capital of Afghanistan?", "Path: Afghanistan")
    assert last == "Next:"


def test_a_relation_that_the_entity_lacks_leaves_the_walker_in_place():
    env = make(1, env_id=ID)
    env.reset(options={"index": 0})
    masks = env.action_masks()
    env.step(np.array([masks[0].argmin()]))
    np.testing.assert_array_equal(env.action_masks(), masks)
