import numpy as np
import pytest

from agents.evaluation.bootstrap import clustered_mean_and_interval, mean_interval


def test_the_interval_covers_the_mean_as_often_as_it_says():
    """95 % of intervals hold the true mean; under 88 of 100 has a chance of about 2e-3."""
    rng = np.random.default_rng(0)
    intervals = [mean_interval(rng.normal(1.0, 2.0, (1, 60))) for _ in range(100)]
    assert sum(low <= 1.0 <= high for low, high in intervals) >= 88


def test_seeds_that_disagree_widen_the_interval():
    rng = np.random.default_rng(0)
    alike = rng.normal(0, 1, (5, 100))
    apart = alike + np.linspace(-2, 2, 5)[:, None]
    widths = [high - low for low, high in (mean_interval(alike), mean_interval(apart))]
    assert widths[1] > 3 * widths[0]


def test_more_seeds_on_the_same_prompts_do_not_hide_the_luck_of_the_prompts():
    """Regression: prompts were drawn anew for each seed, as if each seed had its own."""
    prompts = np.random.default_rng(0).normal(0, 1, (1, 200))
    widths = [high - low for low, high in map(mean_interval, (prompts, np.repeat(prompts, 9, 0)))]
    assert widths[1] > 0.9 * widths[0]


def test_repeating_the_values_of_each_cluster_does_not_narrow_the_interval():
    values = np.random.default_rng(0).normal(size=30)
    once = clustered_mean_and_interval(values, np.arange(30))
    often = clustered_mean_and_interval(np.repeat(values, 20), np.repeat(np.arange(30), 20))
    assert often["interval"] == pytest.approx(once["interval"], abs=1e-9)
    assert once["interval"][0] < values.mean() < once["interval"][1]
