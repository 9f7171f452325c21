import numpy as np
import pytest

from agents.evaluation.intervals import clustered_mean_and_interval, holm, mean_interval, p_value

SPREADS = [(1.0, 0.0, 0.1), (0.3, 0.0, 1.0), (0.05, 1.0, 0.3), (0.1, 1.0, 1.0)]
"""Deviations of seeds, of prompts, and of what is left: each may be the largest."""


def drawn(rng, num_seeds, num_prompts, spreads):
    of_seeds, of_prompts, rest = spreads
    return (
        rng.normal(0, of_seeds, (num_seeds, 1))
        + rng.normal(0, of_prompts, (1, num_prompts))
        + rng.normal(0, rest, (num_seeds, num_prompts))
    )


@pytest.mark.parametrize("num_seeds", [3, 5, 10])
@pytest.mark.parametrize("spreads", SPREADS)
def test_intervals_hold_the_mean_in_at_least_90_of_100_simulations(num_seeds, spreads):
    """Regression: the percentile bootstrap of 3 seeds, lowest to highest, did in 75."""
    rng = np.random.default_rng(num_seeds)
    intervals = [mean_interval(drawn(rng, num_seeds, 60, spreads)) for _ in range(600)]
    assert np.mean([low <= 0.0 <= high for low, high in intervals]) >= 0.9


def test_the_interval_of_one_seed_is_the_t_interval_over_prompts():
    values = np.array([[1.0, 2.0, 4.0, 5.0]])
    low, high = mean_interval(values)
    reach = 3.182446 * values.std(ddof=1) / 2  # t of 3 degrees of freedom
    assert (low, high) == pytest.approx((3.0 - reach, 3.0 + reach), rel=1e-4)
    assert mean_interval(np.ones((3, 4))) == (1.0, 1.0)


def test_three_seeds_that_disagree_reach_beyond_the_lowest_and_the_highest():
    low, high = mean_interval(np.array([[0.0], [1.0], [2.0]]).repeat(50, 1))
    assert low < 0.0
    assert high > 2.0


def test_more_seeds_on_the_same_prompts_do_not_hide_the_luck_of_the_prompts():
    """Regression: prompts were drawn anew for each seed, as if each seed had its own."""
    prompts = np.random.default_rng(0).normal(0, 1, (1, 200))
    widths = [high - low for low, high in map(mean_interval, (prompts, np.repeat(prompts, 9, 0)))]
    assert widths[1] > 0.9 * widths[0]


def test_p_is_below_five_percent_where_the_interval_leaves_out_0():
    rng = np.random.default_rng(1)
    for _ in range(50):
        values = 0.2 + drawn(rng, 5, 30, (0.1, 0.3, 0.3))
        low, high = mean_interval(values)
        assert (p_value(values) < 0.05) == (not low <= 0.0 <= high)


def test_holm_adjusts_by_the_number_of_claims_that_are_left():
    assert holm({"a": 0.04, "b": 0.01, "c": 0.03}) == pytest.approx(
        {"a": 0.06, "b": 0.03, "c": 0.06}
    )
    assert holm({"a": 0.9, "b": 0.8}) == {"a": 1.0, "b": 1.0}


def test_a_family_of_true_nulls_has_few_false_claims():
    rng = np.random.default_rng(2)
    families = [
        holm({str(n): p_value(drawn(rng, 5, 20, (0.2, 0.2, 0.2))) for n in range(6)})
        for _ in range(200)
    ]
    assert np.mean([min(family.values()) < 0.05 for family in families]) < 0.1


def test_repeating_the_values_of_each_cluster_does_not_narrow_the_interval():
    values = np.random.default_rng(0).normal(size=30)
    once = clustered_mean_and_interval(values, np.arange(30))
    often = clustered_mean_and_interval(np.repeat(values, 20), np.repeat(np.arange(30), 20))
    assert often["interval"] == pytest.approx(once["interval"], abs=1e-9)
    assert once["interval"] == pytest.approx(mean_interval(values[None]), abs=1e-9)
