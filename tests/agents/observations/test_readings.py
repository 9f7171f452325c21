import numpy as np

from agents.observations.readings import continuations, padded

END = 9
TOKENS = padded([np.array([1, 2, 3]), np.array([1, 4]), np.array([5])], END)


def test_each_text_ends_with_the_end_token():
    np.testing.assert_array_equal(TOKENS, [[1, 2, 3, END], [1, 4, END, END], [5, END, END, END]])


def test_texts_count_that_differ_least_from_what_is_written():
    kept, following = continuations(TOKENS, np.array([1]))
    np.testing.assert_array_equal(kept, [True, True, False])
    np.testing.assert_array_equal(following, [2, 4])
    kept, following = continuations(TOKENS, np.array([7]))
    assert kept.all()
    np.testing.assert_array_equal(following, [2, 4, END])


def test_after_the_longest_text_all_end():
    _, following = continuations(TOKENS, np.array([1, 2, 3, 8, 8]))
    np.testing.assert_array_equal(following, [END])
