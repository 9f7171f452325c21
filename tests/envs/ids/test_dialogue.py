"""The defaults of `lm_envs/Dialogue-v0`."""

import gymnasium as gym
import numpy as np

from tests.envs.helpers import make

ID = "lm_envs/Dialogue-v0"


def test_an_action_is_one_of_18_lines_whose_scores_are_not_shown():
    env = make(1, env_id=ID)
    assert env.single_action_space == gym.spaces.Discrete(18)
    assert list(env.observation.columns) == ["hidden", "choice_enabled", "turns_left"]


def test_the_prompt_is_the_wish_of_a_customer():
    prompt = make(1, env_id=ID).reset(options={"index": 0})[1]["prompt"][0]
    assert prompt == "Customer: I want to return a lamp.\nAgent:"


def test_the_oracle_serves_every_customer():
    env = make(4, env_id=ID)
    env.reset(seed=0)
    completed, over = np.zeros(4), np.zeros(4, bool)
    while not over.all():
        _, _, terminated, truncated, infos = env.step(env.oracle_actions())
        ended = (terminated | truncated) & ~over
        if ended.any():
            completed[ended] = infos["scores"]["completed"][ended]
        over |= ended
        if (terminated | truncated).any() and not over.all():
            env.reset(options={"reset_mask": terminated | truncated})
    assert completed.tolist() == [1.0] * 4
