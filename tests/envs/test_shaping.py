"""Differences of potentials for an agent with a discount, on a small MDP and in the steps."""

from itertools import product

import gymnasium as gym
import numpy as np
import pytest

from lm_envs.envs.shaping import check_discount, shaped_rewards
from tests.envs.helpers import make

GAMMA, LENGTH = 0.9, 3
POTENTIALS = {"a": 0.9, "aa": 0.9, "aaa": 0.95, "b": 0.1, "ba": 0.2, "baa": 1.0}
"""Texts and their scores: a good beginning leads to a worse end. Others score 0."""


def best_text(reward, gamma):
    """The text of highest discounted return, by trying all of them: the MDP is deterministic."""

    def discounted(text):
        steps = [(text[:size], text[: size + 1]) for size in range(LENGTH)]
        return sum(gamma**time * reward(*step) for time, step in enumerate(steps))

    return max(map("".join, product("ab", repeat=LENGTH)), key=discounted)


def at_the_end(before, after):
    return POTENTIALS.get(after, 0.0) if len(after) == LENGTH else 0.0


def shaped(gamma):
    def reward(before, after):
        old, new = (np.array([POTENTIALS.get(text, 0.0)]) for text in (before, after))
        return float(shaped_rewards(old, new, np.array([len(after) == LENGTH]), gamma)[0])

    return reward


def test_the_best_policy_at_a_discount_is_unchanged_with_it_and_changed_without():
    assert best_text(at_the_end, GAMMA) == "baa"
    assert best_text(shaped(GAMMA), GAMMA) == "baa"
    assert best_text(shaped(1.0), GAMMA) == "aaa"  # differences without the discount


def test_discounted_returns_are_those_of_the_reward_at_the_end():
    """Equal to rounding for every text, not only for the best one."""
    for text in map("".join, product("ab", repeat=LENGTH)):
        steps = [(text[:size], text[: size + 1]) for size in range(LENGTH)]
        paid = [
            sum(GAMMA**time * reward(*step) for time, step in enumerate(steps))
            for reward in (at_the_end, shaped(GAMMA))
        ]
        assert paid[0] == pytest.approx(paid[1], abs=1e-12)


@pytest.mark.parametrize("options", [{"max_new_tokens": 3}, {"max_new_tokens": 5, "max_steps": 3}])
def test_steps_of_an_environment_pay_the_discounted_difference(options):
    """The last step of a finished text pays the whole difference, that of a truncated one not."""
    plain, discounted = make(2, **options), make(2, gamma=GAMMA, **options)
    rewards = []
    for env in (plain, discounted):
        env.reset(options={"index": 0})
        rewards.append([env.step(np.array([0, 2]))[1] for _ in range(3)])
    potentials = np.cumsum(rewards[0], axis=0)  # from 0: an empty text
    before = np.vstack([np.zeros(2), potentials[:-1]])
    is_truncated = "max_steps" in options
    factors = np.array([GAMMA, GAMMA, GAMMA if is_truncated else 1.0])[:, None]
    np.testing.assert_allclose(rewards[1], factors * potentials - before, atol=1e-12)


def test_a_reward_that_is_paid_once_is_the_score_also_of_a_truncated_text():
    env = make(2, gamma=GAMMA, dense=False, max_new_tokens=5, max_steps=3)
    env.reset(options={"index": 0})
    *_, (_, last, _, truncated, infos) = [env.step(np.array([0, 2])) for _ in range(3)]
    assert truncated.all()
    assert last.all()
    np.testing.assert_allclose(last, infos["scores"]["reward"], atol=1e-12)


def test_tuning_environments_take_the_discount_too():
    rewards = []
    for gamma in (1.0, GAMMA):
        env = gym.make("lm_envs/WeightTuning-v0", gamma=gamma, passages=2, adjustments=2)
        env.reset(options={"index": 0})
        action = np.full(env.action_space.shape, 0.5, np.float32)
        rewards.append([env.step(action)[1] for _ in range(2)])
    (first, last), (early, late) = rewards
    assert late == pytest.approx(last)
    assert early != pytest.approx(first, abs=1e-6)


@pytest.mark.parametrize("gamma", [0.0, 1.5, -1.0, "0.9", float("nan")])
def test_other_discounts_are_refused(gamma):
    with pytest.raises(ValueError, match="gamma="):
        check_discount(gamma)
