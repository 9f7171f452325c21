"""Checks of states before anything is restored."""

import copy
import pickle

import gymnasium as gym
import numpy as np
import pytest

from lm_envs.envs.snapshots import (
    check_arrays,
    check_lists,
    check_parts,
    is_in_space,
    restored_generators,
)
from tests.envs.helpers import make


def test_missing_and_unknown_parts_are_named():
    check_parts("of rows", {"a": 1, "b": 2}, ("b", "a"))
    with pytest.raises(ValueError, match=r"of rows: without \['b'\], with unknown \['c'\]"):
        check_parts("of rows", {"a": 1, "c": 2}, ("a", "b"))
    with pytest.raises(ValueError, match="not of rows, but NoneType; allowed: what get_state"):
        check_parts("of rows", None, ("a",))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros(2), r"counts has shape \(2,\); allowed: \(3,\)"),
        (np.zeros(3), "counts has dtype float64; allowed: int64"),
        ([1, [2]], "counts is no array"),
    ],
)
def test_an_array_of_another_shape_or_dtype_is_refused(values, message):
    check_arrays({"counts": [1, 2, 3]}, {"counts": np.zeros(3, np.int64)})
    with pytest.raises(ValueError, match=message):
        check_arrays({"counts": values}, {"counts": np.zeros(3, np.int64)})


@pytest.mark.parametrize("values", ["ab", ["a"], None, {"a": 1, "b": 2}])
def test_a_list_without_one_entry_a_row_is_refused(values):
    check_lists({"prompts": ["a", "b"]}, ("prompts",), 2)
    with pytest.raises(ValueError, match="prompts is no list of one entry a row; allowed: 2 rows"):
        check_lists({"prompts": values}, ("prompts",), 2)


def test_restored_generators_draw_what_the_originals_draw():
    rngs = [np.random.default_rng(seed) for seed in (1, 2)]
    restored = restored_generators([rng.bit_generator.state for rng in rngs])
    assert [rng.random() for rng in restored] == [rng.random() for rng in rngs]


@pytest.mark.parametrize("state", [{}, None, np.random.MT19937(0).state])
def test_a_state_of_another_generator_is_refused(state):
    good = np.random.default_rng(0).bit_generator.state
    with pytest.raises(ValueError, match=r"generator of row 1 is no numpy.random.default_rng"):
        restored_generators([good, state])


@pytest.mark.parametrize("take", [copy.copy, copy.deepcopy, pickle.dumps])
def test_copy_and_pickle_raise_with_remedy(take):
    with pytest.raises(TypeError, match=r"make_vec\(env.spec\), reset it, and .*set_state"):
        take(make(1))


@pytest.mark.parametrize(
    ("value", "expected"),
    [(2, True), (np.int64(0), True), (3, False), (-1, False), ("a", False), ([1, 2], False)],
)
def test_a_value_of_a_state_is_in_a_space_or_not_without_an_error(value, expected):
    assert is_in_space(gym.spaces.Discrete(3), value) == expected
