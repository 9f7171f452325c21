import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lm_envs.tasks.rewards.lagging import average_lagging


@pytest.mark.parametrize(
    ("heard", "num_source", "expected"),
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
def test_the_lagging_of_cases_worked_by_hand(heard, num_source, expected):
    assert average_lagging(np.array(heard), num_source) == pytest.approx(expected)


@given(size=st.integers(1, 30), k=st.integers(1, 40))
def test_waiting_for_k_words_lags_k_words(size, k):
    heard = np.minimum(np.arange(size) + k, size)
    assert average_lagging(heard, size) == pytest.approx(min(k, size))


@given(num_source=st.integers(1, 20), heard=st.lists(st.integers(1, 20), min_size=1, max_size=30))
def test_nobody_lags_farther_than_the_whole_text(num_source, heard):
    heard = np.minimum(np.sort(heard), num_source)
    assert average_lagging(heard, num_source) <= num_source
