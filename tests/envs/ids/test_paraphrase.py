"""The defaults of `lm_envs/Paraphrase-v0`."""

import gymnasium as gym

from tests.envs.helpers import make

ID = "lm_envs/Paraphrase-v0"


def test_the_prompt_asks_for_a_paraphrase_of_a_sentence():
    env = make(1, env_id=ID)
    assert env.single_action_space == gym.spaces.Discrete(16)
    _, infos = env.reset(seed=0)
    assert infos["prompt"][0].startswith("Text: ")
    assert infos["prompt"][0].endswith("\nParaphrase:")


def test_one_of_four_sentences_is_the_target():
    env = make(4, env_id=ID, actions="choices")
    assert env.single_action_space == gym.spaces.Discrete(4)
    env.reset(seed=0)
    *_, infos = env.step(env.oracle_actions())
    assert infos["scores"]["chrf"].tolist() == [1.0] * 4
