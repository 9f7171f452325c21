"""What counts as a number at the doors of the library."""

import math

import numpy as np
import pytest

from lm_envs.validation import check_count, check_number


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3)])
def test_a_whole_number_of_numpy_is_a_count(value):
    check_count("n", value)


@pytest.mark.parametrize("value", [True, np.True_, 3.0, np.float32(3), "3", None, 0])
def test_what_is_no_whole_number_from_1_is_no_count(value):
    with pytest.raises(ValueError, match=r"Got n=.*allowed: a whole number, 1 or more"):
        check_count("n", value)


@pytest.mark.parametrize("value", [3, 0.5, np.int64(3), np.float16(0.5), np.float32(0.5)])
def test_a_number_of_numpy_is_a_number(value):
    check_number("x", value)


@pytest.mark.parametrize("value", [True, np.True_, math.nan, np.float32("inf"), 1j, "3", None])
def test_what_is_no_finite_number_is_none(value):
    """Regression: truth values and complex numbers were numbers."""
    with pytest.raises(ValueError, match=r"Got x=.*allowed: a finite number"):
        check_number("x", value)
