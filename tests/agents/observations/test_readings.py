import numpy as np
import pytest

from agents.observations.readings import aligned, continuations, padded

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


@pytest.mark.parametrize(
    ("written", "agreed", "following"),
    [
        ([], [0, 0, 0], [1, 1, 5]),
        ([1], [1, 1, 0], [2, 4, END]),
        ([8, 1], [1, 1, 0], [2, 4, END]),  # one token too many: continuations() would be lost
        ([2], [1, 0, 0], [3, 4, END]),  # one too few
        ([1, 2, 3], [3, 0, 0], [END, END, END]),
        ([1, 2, 3, 7], [0, 0, 0], [END, END, END]),
    ],
)
def test_a_text_goes_on_where_it_ends_as_the_written_one_does(written, agreed, following):
    found = aligned(TOKENS, np.array(written, np.int64))
    assert [each.tolist() for each in found] == [agreed, following]


def test_of_equal_places_the_one_at_the_written_length_is_taken():
    tokens = padded([np.array([1, 2, 1, 3, 1, 4])], END)
    follows = [
        aligned(tokens, np.array([*written, 1]))[1].tolist() for written in ([], [7, 7], [7] * 4)
    ]
    assert follows == [[2], [3], [4]]


def test_up_to_three_last_tokens_agree():
    tokens = padded([np.array([1, 2, 3, 4, 5]), np.array([6, 7, 2, 3, 4, 8])], END)
    agreed, following = aligned(tokens, np.array([1, 2, 3, 4]))
    assert (agreed.tolist(), following.tolist()) == ([3, 3], [5, 8])
