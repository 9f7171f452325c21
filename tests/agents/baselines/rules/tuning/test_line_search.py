import gymnasium as gym
import numpy as np
import pytest

import lm_envs
from agents.baselines.rules.tuning.line_search import line_search
from agents.evaluation.rollouts import mean_scores, run_episodes

gym.register_envs(lm_envs)
INDICES = np.arange(6)


@pytest.fixture(scope="module")
def env():
    made = gym.make_vec(
        "lm_envs/WeightTuning-v0",
        num_envs=3,
        passages=2,
        adjustments=6,
        split="validation",
        autoreset_mode="disabled",
    )
    return made.unwrapped


def test_it_never_ends_below_the_unchanged_model(env):
    """Its last step goes back to the best setting seen, which is at most one step away."""
    texts = run_episodes(env, line_search(0.5), INDICES)
    assert all(text.scores["reward"] >= -1e-9 for text in texts)
    assert mean_scores(texts)["reward"] > 0.0


def test_it_turns_around_where_the_loss_rises(env):
    for text in run_episodes(env, line_search(1.0), INDICES):
        totals = np.cumsum(text.rewards)
        if (text.rewards < 0).any():
            assert totals[-1] > totals.min()
