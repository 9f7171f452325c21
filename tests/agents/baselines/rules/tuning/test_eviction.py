"""The rule for evictions: weighted columns of entries."""

import numpy as np
import pytest

from agents.baselines.rules.tuning.eviction import FOUND, evicts, trials, weighted_entries
from lm_envs.envs.tuning.cache_entries import NAMES
from tests.envs.tuning.helpers import make_rows


@pytest.fixture(scope="module")
def rows():
    env = make_rows("CacheEviction", 6).unwrapped
    return env, env.reset(seed=0)[0]


@pytest.mark.parametrize(("name", "sign", "expected"), [("log_age", -1.0, 0), ("log_age", 1.0, 7)])
def test_the_lowest_sum_is_evicted(rows, name, sign, expected):
    weights = sign * np.eye(len(NAMES))[NAMES.index(name)]
    assert weighted_entries(weights)(*rows).tolist() == [expected] * 6


def test_columns_are_added(rows):
    env, observations = rows
    weights = np.random.default_rng(0).normal(size=len(NAMES))
    sums = sum(
        weight * observations[:, env.single_observation_space.columns[name]]
        for weight, name in zip(weights, NAMES, strict=True)
    )
    np.testing.assert_array_equal(weighted_entries(weights)(*rows), sums.argmin(1))


def test_the_first_trial_is_the_one_that_was_found_and_all_differ():
    assert trials()[0] == list(FOUND)
    assert len({tuple(weights) for weights in trials()}) == len(trials())


def test_it_applies_to_evictions_only(rows):
    assert evicts(rows[0])
    assert not evicts(make_rows("StructureSearch").unwrapped)
