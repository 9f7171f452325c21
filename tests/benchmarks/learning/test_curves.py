"""Statistics of learning curves, against small cases and independent oracles."""

import numpy as np
import pytest
from scipy.stats import binom, ecdf, trim_mean

from benchmarks.learning import curves


def test_iqm_is_the_mean_of_the_middle_half():
    values = np.array([0.0, 1.0, 2.0, 100.0])
    assert curves.iqm(values) == trim_mean(values, 0.25) == 1.5


def test_intervals_contain_the_iqm_and_widen_with_the_spread_of_seeds():
    rng = np.random.default_rng(0)
    widths = []
    for spread in (0.1, 1.0):
        values = rng.normal(0.0, spread, (10, 3))
        low, high = curves.stratified_interval([values])
        assert (low <= curves.iqm(values)).all()
        assert (curves.iqm(values) <= high).all()
        widths.append((high - low).mean())
    assert widths[1] > 5 * widths[0]


@pytest.mark.parametrize("num_seeds", [3, 5, 10])
def test_intervals_of_few_seeds_hold_the_iqm_in_at_least_90_of_100_simulations(num_seeds):
    """Regression: lowest to highest of 3 seeds did in 75."""
    values = np.random.default_rng(num_seeds).normal(0.0, 1.0, (num_seeds, 800))
    low, high = curves.stratified_interval([values])
    assert np.mean((low <= 0.0) & (high >= 0.0)) >= 0.9


def test_differences_between_tasks_do_not_widen_an_interval():
    """Each task keeps its number of seeds in every resample."""
    easy, hard = np.full(5, 1.0), np.full(5, 0.0)
    low, high = curves.stratified_interval([easy, hard])
    assert low == high == 0.5


def test_a_profile_of_one_task_is_its_empirical_survival_function():
    scores = np.random.default_rng(0).normal(size=25)
    taus = np.sort(np.concatenate([scores, np.linspace(-3, 3, 31)]))  # a tie is not above
    np.testing.assert_allclose(
        curves.profile([scores], taus), ecdf(scores).sf.evaluate(taus), atol=1e-12
    )


def test_profile_averages_tasks_whatever_their_number_of_seeds():
    few, many = np.array([1.0]), np.array([0.0, 0.0, 1.0, 1.0])
    np.testing.assert_allclose(curves.profile([few, many], np.array([0.5])), [0.75])


def test_interval_of_a_profile_agrees_with_the_binomial_distribution():
    """14 of 20 runs are above; their number in a resample is binomial."""
    scores = np.repeat([0.0, 1.0], [6, 14])
    low, high = curves.profile_interval([scores], np.array([0.5, 1.0]))
    expected = binom(20, 0.7).ppf([0.025, 0.975]) / 20
    np.testing.assert_allclose([low[0], high[0]], expected, atol=0.051)  # one run either way
    assert (low[1], high[1]) == (0.0, 0.0)  # as high as 1, not above it


def test_differences_between_tasks_do_not_widen_a_profile():
    low, high = curves.profile_interval([np.ones(4), np.zeros(4)], np.array([0.5]))
    assert low == high == 0.5


def test_threshold_is_reached_at_the_first_evaluation_above_it():
    steps, rewards = np.array([0, 10, 20]), np.array([0.1, 0.9, 0.5])
    assert curves.first_reaching(steps, rewards, 0.5) == 10
    assert curves.first_reaching(steps * 0.25, rewards, 0.5) == 2.5
    assert curves.first_reaching(steps, rewards, 1.0) is None


def test_reward_holds_until_the_next_evaluation_and_the_last_until_the_end():
    quick = (np.array([0.0, 10.0, 20.0]), np.array([0.0, 0.4, 0.8]))
    slow = (np.array([5.0, 10.0, 30.0]), np.array([0.1, 0.3, 0.5]))
    seconds, rewards = curves.held_over_time([quick, slow])
    assert seconds.tolist() == [5.0, 10.0, 20.0, 30.0]  # not 0: the slow one was not evaluated yet
    assert rewards.tolist() == [[0.0, 0.4, 0.8, 0.8], [0.1, 0.3, 0.3, 0.5]]
