"""Checks of public arguments."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from lm_envs.validation import (
    UnexpectedArgumentError,
    check_choice,
    check_count,
    check_limit,
    check_number,
    check_types,
    did_you_mean,
    first_line,
    path_as_text,
)


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3)])
def test_integers_of_python_and_numpy_are_counts(value):
    check_count("n", value)


@pytest.mark.parametrize("value", [True, np.True_, 3.0, np.float32(3), "3", None, 0])
def test_other_values_are_no_counts(value):
    with pytest.raises(ValueError, match=r"Got n=.*allowed: a whole number, 1 or more"):
        check_count("n", value)


def test_a_count_may_have_another_lower_bound():
    check_count("n", np.int32(0), least=0)
    with pytest.raises(ValueError, match="Got n=1; allowed: a whole number, 2 or more"):
        check_count("n", 1, least=2)


def test_a_limit_is_a_count_or_none_which_is_infinity():
    assert (check_limit("n", None), check_limit("n", np.int64(3))) == (math.inf, 3)
    with pytest.raises(ValueError, match="Got n=0; allowed: a whole number, 1 or more"):
        check_limit("n", 0)


@pytest.mark.parametrize("value", [3, 0.5, np.int64(3), np.float16(0.5), np.float32(0.5)])
def test_real_numbers_of_python_and_numpy_are_numbers(value):
    check_number("x", value)


@pytest.mark.parametrize(
    "value", [True, np.True_, math.nan, np.float32("inf"), 1j, "3", None, 10**400]
)
def test_values_that_are_no_finite_real_numbers_are_refused(value):
    """Regression: booleans and complex numbers were accepted."""
    with pytest.raises(ValueError, match=r"Got x=.*allowed: a finite number"):
        check_number("x", value)


@pytest.mark.parametrize("value", [2, np.int64(2), np.float64(2)])
def test_a_choice_may_be_a_number_of_numpy(value):
    check_choice("hops", value, (None, 1, 2))


def test_a_value_that_is_no_choice_is_refused_with_the_allowed_ones():
    with pytest.raises(ValueError, match="Got hops=3; allowed: None, 1, 2"):
        check_choice("hops", 3, (None, 1, 2))


def annotated(
    name: str,
    labels: Sequence[str] | None = None,
    weights: Mapping[str, float] | None = None,
    count: int = 1,
):
    """Only its annotations are used."""


@pytest.mark.parametrize(
    "arguments",
    [
        {"name": "a", "labels": ["b"], "weights": {"c": np.float32(1)}},
        {"labels": ("b", "c"), "count": np.int64(3)},
        {"labels": None, "count": "left to other checks"},
    ],
)
def test_arguments_of_the_annotated_type_pass(arguments):
    check_types(annotated, arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": 3}, "Got name=3; allowed: str"),
        ({"labels": "abc"}, r"labels='abc'; allowed: a list \(Sequence\[str\]\) or None"),
        ({"labels": ["a", 1]}, r"Got labels=\['a', 1\]"),
        ({"weights": ["a"]}, r"allowed: a dict \(Mapping\[str, float\]\) or None"),
        ({"weights": {1: 1.0}}, r"allowed: a dict \(Mapping\[str, float\]\)"),
        ({"name": ["a long value"] * 99}, "Got name=.{80}; allowed: str"),
        ({"name": np.zeros((2, 2))}, r"name=array\(\[\[0., 0.], \[0., 0.]]\); allowed: str"),
    ],
)
def test_arguments_of_another_type_are_refused_with_the_annotation(arguments, message):
    with pytest.raises(ValueError, match=message):
        check_types(annotated, arguments)


def test_an_unexpected_argument_is_caught_as_type_error_and_as_value_error():
    assert issubclass(UnexpectedArgumentError, TypeError)
    assert issubclass(UnexpectedArgumentError, ValueError)


def test_a_hint_names_the_closest_name_only_if_it_is_close():
    assert did_you_mean("fluancy", ["fluency", "length"]) == " Did you mean 'fluency'?"
    assert did_you_mean("xyz", ["fluency", "length"]) == ""


@pytest.mark.parametrize(
    ("error", "line"),
    [(ValueError("a\nb"), "a"), (OSError(), "OSError"), (KeyError(" \n"), "' \\n'")],
)
def test_the_first_line_of_an_error_is_never_empty(error, line):
    assert first_line(error) == line


def test_arguments_without_an_annotation_or_with_one_that_cannot_be_resolved_pass():
    """Regression: a caller's task class without annotations was a KeyError."""

    def plain(limit=3):
        """Has no annotation."""

    def guarded(limit: "OnlyForTypeCheckers" = 3):  # noqa: F821
        """Has the annotation of a module that imports it under TYPE_CHECKING."""

    check_types(plain, {"limit": 4})
    check_types(guarded, {"limit": 4})


def test_a_path_is_its_text_and_other_values_stay():
    assert path_as_text(Path("a/b.csv")) == str(Path("a/b.csv"))
    assert path_as_text(3) == 3
