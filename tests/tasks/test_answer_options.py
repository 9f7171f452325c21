import unicodedata

import pytest

from lm_envs.tasks.answer_options import DrawnOptions

GROUPS = [""] * 4
OTHERS = [("yes",), ("no",), ("maybe",)]


@pytest.mark.parametrize(
    "same",
    ["bonjour", "BONJOUR", "Bonjour !", " Bonjour.", unicodedata.normalize("NFD", "Bonjóur")],
)
def test_no_wrong_option_is_the_same_answer_as_a_target(same):
    """Regression: such an option was offered as wrong, and paid like the correct one."""
    targets = [("Bonjour.", "Bonjóur"), (same,), *OTHERS]
    for _ in range(5):
        options = DrawnOptions(targets, [""] * 5)
        assert same not in options[0]
        assert len(options[0]) == 4


def test_two_wrong_options_are_different_answers():
    targets = [("a b",), ("Bonjour.",), ("bonjour",), ("oui",)]
    for options in DrawnOptions(targets, GROUPS)[::3]:
        assert len(options) == 3
        assert not {"Bonjour.", "bonjour"} <= set(options)


def test_answers_of_punctuation_alone_are_different():
    assert set(DrawnOptions([("+",), ("-",)], ["", ""])[0]) == {"+", "-"}


def test_options_are_the_same_in_every_call():
    targets = [("Oslo",), *OTHERS]
    assert list(DrawnOptions(targets, GROUPS)) == list(DrawnOptions(targets, GROUPS))
