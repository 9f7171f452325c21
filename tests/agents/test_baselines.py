from types import SimpleNamespace

import numpy as np

from agents.baselines import greedy, sampling, top_p, uniform

PROBABILITIES = np.array([0.5, 0.3, 0.15, 0.05])
ROWS = 20_000


def shares(policy):
    """How often each proposal is chosen, where they have PROBABILITIES."""
    logprobs = np.tile(np.log(PROBABILITIES), (ROWS, 1)).astype(np.float32)
    env = SimpleNamespace(proposals=logprobs, of_ranks=lambda ranks: ranks, num_envs=ROWS)
    actions = policy(env, np.zeros((ROWS, 1)))
    return np.bincount(actions, minlength=4) / ROWS


def test_each_baseline_chooses_with_its_own_probabilities():
    cold = PROBABILITIES**2 / (PROBABILITIES**2).sum()
    nucleus = np.array([0.5, 0.3, 0.15, 0.0]) / 0.95
    for policy, expected in (
        (greedy(), [1, 0, 0, 0]),
        (uniform(), [0.25] * 4),
        (sampling(1.0), PROBABILITIES),
        (sampling(0.5), cold),
        (top_p(0.9), nucleus),
        (top_p(0.4), [1, 0, 0, 0]),
    ):
        np.testing.assert_allclose(shares(policy), expected, atol=0.02)
