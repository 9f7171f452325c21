import warnings

import pytest

from lm_envs.tasks.data.length_limits import drop_too_long

LENGTHS = {"prompt_tokens": [3, 9, 3, 3], "max_new_tokens": [2, 2, 8, 2]}


def test_an_example_has_to_be_within_every_limit():
    limits = {"prompt_tokens": 3, "max_new_tokens": 2}
    with pytest.warns(UserWarning, match=r"Left out 2 of 4 examples of mine.*3 .*9\) and .*8\)"):
        assert drop_too_long("abcd", LENGTHS, limits, "mine") == ["a", "d"]


def test_the_warning_names_only_limits_that_are_too_low():
    limits = {"prompt_tokens": 3, "max_new_tokens": 8}
    with pytest.warns(UserWarning, match=r"for prompt_tokens=3 \(the longest needs 9\); raise it"):
        drop_too_long("abcd", LENGTHS, limits, "mine")


def test_the_embedded_dataset_warns_if_more_than_a_tenth_is_left_out():
    lengths = {"prompt_tokens": [3] * 18 + [8, 9]}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(drop_too_long(range(20), lengths, {"prompt_tokens": 7}, "embedded")) == 18
    lengths["prompt_tokens"][0] = 10
    with pytest.warns(UserWarning, match="Left out 3 of 20 examples of embedded"):
        assert len(drop_too_long(range(20), lengths, {"prompt_tokens": 7}, "embedded")) == 17


@pytest.mark.parametrize(
    ("limits", "dataset", "kept"),
    [
        ({"prompt_tokens": 9, "max_new_tokens": 8}, "mine", ["a", "b", "c", "d"]),
        ({"prompt_tokens": 1, "max_new_tokens": 8}, "mine", []),
    ],
)
def test_all_kept_or_none_kept_does_not_warn(limits, dataset, kept):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert drop_too_long("abcd", LENGTHS, limits, dataset) == kept
