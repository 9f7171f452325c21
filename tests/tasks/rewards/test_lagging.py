import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lm_envs.tasks.rewards.lagging import average_lagging, differentiable_average_lagging


@pytest.mark.parametrize(
    ("num_read", "num_source", "expected"),
    [
        ([2, 3, 4, 4], 4, ((2 - 0) + (3 - 1) + (4 - 2)) / 3),  # wait-2
        ([3, 3, 3, 3, 3, 3], 3, 3.0),  # everything first: up to the first token only
        ([1, 1, 2, 2, 3, 3], 3, ((1 - 0) + (1 - 0.5) + (2 - 1) + (2 - 1.5) + (3 - 2)) / 5),
        (
            [1, 1, 1, 1],
            4,
            ((1 - 0) + (1 - 1) + (1 - 2) + (1 - 3)) / 4,
        ),  # ended ahead of the speaker
        ([], 4, 0.0),
    ],
)
def test_cases_computed_by_hand(num_read, num_source, expected):
    assert average_lagging(np.array(num_read), num_source) == pytest.approx(expected)


@given(size=st.integers(1, 30), k=st.integers(1, 40))
def test_waiting_for_k_words_lags_k_words(size, k):
    num_read = np.minimum(np.arange(size) + k, size)
    assert average_lagging(num_read, size) == pytest.approx(min(k, size))
    assert differentiable_average_lagging(num_read, size) == pytest.approx(min(k, size))


@given(
    num_source=st.integers(1, 20), num_read=st.lists(st.integers(1, 20), min_size=1, max_size=30)
)
def test_differentiable_lagging_is_at_least_average_lagging_and_at_most_the_source(
    num_source, num_read
):
    num_read = np.minimum(np.sort(num_read), num_source)
    average = average_lagging(num_read, num_source)
    differentiable = differentiable_average_lagging(num_read, num_source)
    assert average <= num_source
    assert max(average, 1) <= differentiable + 1e-9
    assert differentiable <= num_source + 1e-9


def _time_by_time(num_read, num_source):
    """The definition: each target token takes the time of num_source / T source words."""
    duration, written_at, laggings = num_source / len(num_read), None, []
    for place, read in enumerate(num_read):
        written_at = read if written_at is None else max(read, written_at + duration)
        laggings.append(written_at - place * duration)
    return sum(laggings) / len(laggings)


@given(
    num_source=st.integers(1, 20), num_read=st.lists(st.integers(1, 20), min_size=1, max_size=30)
)
def test_differentiable_lagging_is_that_of_the_times_at_which_tokens_are_written(
    num_source, num_read
):
    num_read = np.minimum(np.sort(num_read), num_source)
    expected = _time_by_time(num_read.tolist(), num_source)
    assert differentiable_average_lagging(num_read, num_source) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("num_read", "num_source", "expected"),
    [
        ([1, 1, 1, 1], 4, 1.0),  # running ahead is no gain
        ([1, 3, 3, 3], 4, (1 + 2 + 2 + 2) / 4),  # lost time is not made up for
        ([3, 3, 3], 3, 3.0),
        ([], 4, 0.0),
    ],
)
def test_differentiable_lagging_of_cases_computed_by_hand(num_read, num_source, expected):
    found = differentiable_average_lagging(np.array(num_read), num_source)
    assert found == pytest.approx(expected)
