import numpy as np

from tests.tasks.rewards.helpers import make_completions


def test_entries_up_to_a_rows_length_are_written():
    completions = make_completions([[5, 6], [], [7]])
    expected = np.arange(completions.tokens.shape[1]) < np.array([[2], [0], [1]])
    assert np.array_equal(completions.is_written, expected)
