from types import SimpleNamespace

import gymnasium as gym
import numpy as np
import pytest

import lm_envs
from agents.evaluation.baselines import (
    BASELINES,
    baselines_of,
    greedy,
    pointing,
    sampling,
    top_p,
    uniform,
)

gym.register_envs(lm_envs)

PROBABILITIES = np.array([0.5, 0.3, 0.15, 0.05])
ROWS = 20_000


def shares(policy):
    """How often each proposal is chosen, where they have PROBABILITIES."""
    logprobs = np.tile(np.log(PROBABILITIES), (ROWS, 1)).astype(np.float32)
    env = SimpleNamespace(
        candidate_logprobs=logprobs, actions_for_ranks=lambda ranks: ranks, num_envs=ROWS
    )
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


def masked(top_k):
    """An environment at its first step, whose masks allow few words and the end of text."""
    env = gym.make_vec(
        "lm_envs/NextWord-v0", num_envs=8, actions={"kind": "vocabulary", "top_k": top_k}
    ).unwrapped
    env.reset(seed=0)
    return env


@pytest.mark.parametrize("name", BASELINES)
def test_no_baseline_does_what_the_environment_forbids(name):
    """Regression: masks were overlooked, so random chose among words that the agent could not."""
    env, policy = masked(top_k=2), BASELINES[name](0)
    masks = env.action_masks()
    for _ in range(50):
        assert masks[np.arange(8), policy(env, np.zeros(8))].all()


def test_random_chooses_all_that_is_allowed_alike():
    env, policy = masked(top_k=3), uniform()
    chosen = np.array([policy(env, np.zeros(8)) for _ in range(4_000)])
    for row, mask in enumerate(env.action_masks()):
        words, counts = np.unique(chosen[:, row], return_counts=True)
        assert words.tolist() == np.flatnonzero(mask).tolist()
        np.testing.assert_allclose(counts / len(chosen), 1 / mask.sum(), atol=0.04)


def test_the_pointer_is_believed_as_far_as_it_is_told():
    actions = {"kind": "top_k", "k": 4, "copies": 4}
    env = gym.make_vec("lm_envs/Paraphrase-v0", num_envs=64, actions=actions).unwrapped
    env.reset(seed=0)
    probabilities, shares = np.exp(env.candidate_logprobs), env.actions.copied.shares
    for belief in (0.0, 0.4, 1.0):
        mixed = (1 - belief) * probabilities + belief * shares
        chosen = pointing(belief)(env, None)
        assert chosen.tolist() == mixed.argmax(1).tolist()
    assert (pointing(0.0)(env, None) == 0).all()
    assert (pointing(1.0)(env, None) != 0).any()


def test_the_pointer_is_a_baseline_where_words_are_copied_only():
    makes = {
        copies: gym.make_vec("lm_envs/Paraphrase-v0", actions={"kind": "top_k", "copies": copies})
        for copies in (0, 4)
    }
    extra = {
        copies: baselines_of(env.unwrapped).keys() - BASELINES for copies, env in makes.items()
    }
    assert extra == {0: set(), 4: {"greedy, with the pointer"}}
