import pytest

from agents.baselines.rules.analogy.changes import (
    Pair,
    change_of,
    join_words,
    readings,
    split_words,
)

PASSIVE = (
    Pair("Anna sold the car.", "the car was sold by Anna."),
    Pair("two men lost the old boats.", "the old boats were lost by two men."),
)


@pytest.mark.parametrize(
    "text",
    [
        "Peter's dog and the farmers' house, which is old.",
        '"I am tired," said Anna.',
        'Anna asked Paul: "are you happy?"',
    ],
)
def test_a_text_is_the_same_after_it_was_split_and_joined(text):
    assert join_words(split_words(text)) == text


def test_a_change_tells_what_moved_and_what_was_added():
    change = change_of(PASSIVE[0])
    assert change.pieces == (("Anna",), ("sold",), ("the", "car"), (".",))
    assert change.order == (2, 1, 0, 3)
    assert change.added == ((), ("was",), ("by",), (), ())


def test_words_that_differ_in_form_are_one_piece_with_two_endings():
    change = change_of(Pair("she will paint a wall", "a wall will be painted"))
    assert ("paint",) in change.pieces
    assert change.endings == {change.pieces.index(("paint",)): ("", "ed")}


def test_readings_divide_a_text_in_all_ways_and_take_each_added_word():
    found = [each.text for each in readings("Peter found four lamps.", PASSIVE)]
    assert "four lamps were found by Peter." in found
    assert "four lamps was found by Peter." in found
    assert "lamps were found four by Peter." in found


def test_a_piece_that_the_target_lacks_must_be_as_in_an_example():
    shown = (
        Pair("Anna sang, but Paul left.", "although Anna sang, Paul left."),
        Pair("the men ran, but she waited.", "although the men ran, she waited."),
    )
    (found,) = readings("my big dog slept, but the cat of Anna came.", shown)
    assert found.text == "although my big dog slept, the cat of Anna came."


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("he will clean a car.", "a car will be cleaned by he."),
        ("he will move a car.", "a car will be moved by he."),
    ],
)
def test_endings_are_those_of_the_examples(text, expected):
    shown = (
        Pair("Anna will paint a wall.", "a wall will be painted by Anna."),
        Pair("Paul will repair a roof.", "a roof will be repaired by Paul."),
    )
    assert expected in [each.text for each in readings(text, shown)]


def test_the_most_alike_reading_comes_first():
    likeness = [each.likeness for each in readings("Peter found four lamps.", PASSIVE)]
    assert likeness == sorted(likeness, reverse=True)
