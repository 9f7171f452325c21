import itertools

import gymnasium as gym
import numpy as np
import pytest

import lm_envs
from agents.baselines.learned_examples import LearnedExamples
from agents.baselines.rules.surrogate.parts import (
    Worth,
    pairs_of,
    surrogate_removal,
    tried_sets,
)
from agents.baselines.rules.surrogate.regression import learned_prior
from agents.baselines.rules.tuning.importance import least_important_first
from agents.evaluation.rollouts import mean_scores, run_episodes

gym.register_envs(lm_envs)
KNOWN, OTHERS = np.arange(0, 16), np.arange(16, 28)


@pytest.fixture(scope="module")
def env():
    options = {
        "passages": 2,
        "probes": True,
        "adjustments": 8,
        "split": "validation",
        "autoreset_mode": "disabled",
    }
    return gym.make_vec("lm_envs/StructureSearch-v0", num_envs=12, **options).unwrapped


@pytest.fixture(scope="module")
def measured(env):
    return tried_sets(LearnedExamples(env, KNOWN), tried=3)


def reward(env, policy):
    return mean_scores(run_episodes(env, policy, OTHERS))["reward"]


def test_a_search_of_the_surrogate_finds_the_best_set_of_eight_parts():
    rng, sets = np.random.default_rng(0), np.array(list(itertools.product([False, True], repeat=8)))
    for _ in range(20):
        coefficients = rng.normal(size=8 + 28)
        worth = Worth(coefficients, 8)
        assert [worth.of(each) for each in sets] == pytest.approx(pairs_of(sets) @ coefficients)
        found = [worth.climb(start, np.zeros(8, bool)) for start in sets[::16]]
        assert max(map(worth.of, found)) == pytest.approx((pairs_of(sets) @ coefficients).max())


def test_parts_that_are_removed_stay_removed():
    worth, fixed = Worth(np.full(8 + 28, -1.0), 8), np.eye(8, dtype=bool)[3]
    assert (worth.climb(fixed, fixed) == fixed).all()
    assert not worth.climb(fixed, np.zeros(8, bool)).any()


def test_what_is_measured_is_the_reward_without_these_parts(env, measured):
    group = measured[0]
    place = next(i for i, each in enumerate(group.features) if each[:20].sum() == 3)
    env.reset(options={"index": np.zeros(12, int)})
    for part in np.flatnonzero(group.features[place, :20]).tolist():
        env.step(np.full(12, 1 + part))
    assert env.tuner.scores()["reward"][0] == pytest.approx(group.values[place], abs=1e-5)
    assert group.values[:20] == pytest.approx(env.observe()[0, :20], abs=1e-5)  # the probes


def test_it_is_ahead_of_removing_the_least_important_parts_on_other_examples(env, measured):
    prior = learned_prior([group.over(-0.3) for group in measured], 0.5)
    ours, other = surrogate_removal(prior, 0.0), least_important_first(0.05, 0.005)
    assert reward(env, ours) > reward(env, other) + 0.02
