import numpy as np
import pytest

from agents.preferences.agreement import share


def test_wilsons_interval_is_that_of_the_textbook():
    found = share(np.repeat([1.0, 0.0], [81, 182]))  # Newcombe 1998, table I: 81 of 263
    assert found.interval == pytest.approx((0.2553, 0.3662), abs=1e-4)


def test_the_interval_covers_the_truth_as_often_as_it_should():
    rng = np.random.default_rng(0)
    intervals = [share((rng.random(60) < 0.7).astype(float)).interval for _ in range(2000)]
    assert np.mean([low <= 0.7 <= high for low, high in intervals]) == pytest.approx(0.95, abs=0.02)


def test_dependent_comparisons_widen_the_interval():
    hits, groups = np.repeat([1.0, 1.0, 1.0, 0.0], 10), np.repeat(np.arange(4), 10)
    apart, together = share(hits), share(hits, groups)
    assert together.design_effect == pytest.approx(10.0)
    assert together.interval[1] - together.interval[0] > 2 * (apart.interval[1] - apart.interval[0])


def test_the_number_needed_gives_the_width():
    needed = share(np.repeat([1.0, 0.0], [70, 30])).needed_for_width
    low, high = share(np.repeat([1.0, 0.0], [7 * needed // 10, 3 * needed // 10])).interval
    assert high - low == pytest.approx(0.1, abs=0.002)


def test_no_number_shows_that_less_than_half_is_better_than_chance():
    found = share(np.repeat([1.0, 0.0], [4, 6]))
    assert found.needed_for_chance is None
    assert not found.beats_chance
    assert share(np.ones(0)).interval == (0.0, 1.0)
