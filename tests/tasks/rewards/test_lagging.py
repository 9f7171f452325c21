import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lm_envs.tasks.rewards.lagging import average_lagging


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


@given(
    num_source=st.integers(1, 20), num_read=st.lists(st.integers(1, 20), min_size=1, max_size=30)
)
def test_lagging_is_at_most_the_length_of_the_source(num_source, num_read):
    num_read = np.minimum(np.sort(num_read), num_source)
    assert average_lagging(num_read, num_source) <= num_source
