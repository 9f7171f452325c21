from types import SimpleNamespace

import gymnasium as gym
import numpy as np
import pytest

import lm_envs
from agents.evaluation.baselines import (
    RANKED,
    baselines_of,
    greedy,
    sampling,
    top_p,
    uniform,
    untrained,
)
from lm_envs.envs.actions import TokenActions
from lm_envs.envs.actions.pointer import POINTER_WEIGHT

gym.register_envs(lm_envs)

PROBABILITIES = np.array([0.5, 0.3, 0.15, 0.05])
ROWS = 20_000


def shares(policy):
    """How often each candidate is chosen, if they have PROBABILITIES."""
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
    """An environment at its first step, whose masks allow few tokens and the end token."""
    env = gym.make_vec(
        "lm_envs/NextWord-v0", num_envs=8, actions={"kind": "vocabulary", "top_k": top_k}
    ).unwrapped
    env.reset(seed=0)
    return env


@pytest.mark.parametrize("name", RANKED)
def test_no_baseline_takes_a_masked_action(name):
    """Regression: random ignored the masks."""
    env, policy = masked(top_k=2), RANKED[name](0)
    masks = env.action_masks()
    for _ in range(50):
        assert masks[np.arange(8), policy(env, np.zeros(8))].all()


def test_random_takes_all_allowed_actions_with_the_same_probability():
    env, policy = masked(top_k=3), uniform()
    chosen = np.array([policy(env, np.zeros(8)) for _ in range(4_000)])
    for row, mask in enumerate(env.action_masks()):
        words, counts = np.unique(chosen[:, row], return_counts=True)
        assert words.tolist() == np.flatnonzero(mask).tolist()
        np.testing.assert_allclose(counts / len(chosen), 1 / mask.sum(), atol=0.04)


def test_the_pointer_baseline_takes_the_most_likely_of_a_mixture():
    actions = {"kind": "top_k", "k": 4, "copies": 4}
    env = gym.make_vec("lm_envs/Paraphrase-v0", num_envs=64, actions=actions).unwrapped
    env.reset(seed=0)
    probabilities, shares = np.exp(env.candidate_logprobs), env.actions.copied.shares
    mixed = (1 - POINTER_WEIGHT) * probabilities + POINTER_WEIGHT * shares
    chosen = baselines_of(env)["greedy, with the pointer"](0)(env, None)
    assert chosen.tolist() == mixed.argmax(1).tolist()
    assert (chosen != 0).any()


def test_the_pointer_is_a_baseline_only_with_copied_tokens():
    makes = {
        copies: gym.make_vec("lm_envs/Paraphrase-v0", actions={"kind": "top_k", "copies": copies})
        for copies in (0, 4)
    }
    extra = {copies: baselines_of(env.unwrapped).keys() - RANKED for copies, env in makes.items()}
    assert extra == {0: set(), 4: {"greedy, with the pointer"}}


def test_interpreting_adds_the_wait_k_policies():
    env = gym.make_vec(
        "lm_envs/Translation-v0", num_envs=4, mode="simultaneous", actions="read_write"
    ).unwrapped
    assert baselines_of(env).keys() == {"random", "greedy", "wait-1", "wait-2", "wait-3"}
    env.reset(seed=0)
    waits = [baselines_of(env)[f"wait-{k}"](0)(env, None) for k in (1, 2)]
    assert waits[0].tolist() == [1] * 4  # one word is read at the start
    assert waits[1].tolist() == [0] * 4


def test_tuning_adds_plans_and_search():
    env = gym.make_vec("lm_envs/StructureSearch-v0", num_envs=2, passages=4).unwrapped
    env.reset(seed=0)
    assert baselines_of(env).keys() == {"random", "as it is", "each part tried"}
    name, policy = untrained(env)
    assert (name, policy(env, None).tolist()) == ("as it is", [0, 0])


def test_a_bounded_cache_without_an_agent_keeps_the_first_token():
    env = gym.make_vec("lm_envs/CacheEviction-v0", num_envs=2).unwrapped
    env.reset(seed=0)
    name, policy = untrained(env)
    assert (name, policy(env, None).tolist()) == ("window and first 1", [1, 1])


class Unranked(TokenActions):
    """Writes the first candidate; without `actions_for_ranks`."""

    def __init__(self):
        self.space = gym.spaces.Discrete(3)

    def to_tokens(self, actions, outputs, rows):
        return outputs.candidates[:, 0]


def test_an_action_kind_without_ranks_has_random_actions_only():
    env = gym.make_vec("lm_envs/NextWord-v0", num_envs=2, actions=Unranked).unwrapped
    env.reset(seed=0)
    assert baselines_of(env).keys() == {"random"}
    assert untrained(env)[0] == "random"
    env.step(baselines_of(env)["random"](0)(env, None))
