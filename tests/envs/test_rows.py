"""One row's share of a batch."""

import gymnasium as gym
import numpy as np
import pytest

from lm_envs.envs.rows import add_infos, index_row, new_generators, to_python, values_of_rows


def test_each_row_has_a_generator_of_its_own_seed():
    rngs, seeds = new_generators(3)
    assert len(set(seeds)) == 3
    draws = [rng.integers(2**40) for rng in rngs]
    assert draws == [np.random.default_rng(seed).integers(2**40) for seed in seeds]


def test_a_row_of_several_arrays_is_a_dict_of_their_rows():
    observations = {"tokens": np.arange(6).reshape(2, 3), "length": np.array([[3], [1]])}
    row = index_row(observations, 1)
    assert {name: values.tolist() for name, values in row.items()} == {
        "tokens": [3, 4, 5],
        "length": [1],
    }
    assert index_row(observations["tokens"], 0).tolist() == [0, 1, 2]


def test_numpy_scalars_become_python_numbers_and_other_values_stay():
    values = [to_python(value) for value in (np.float64(0.5), np.bool_(True), "text", None)]
    assert values == [0.5, True, "text", None]
    assert [type(value) for value in values[:2]] == [float, bool]


def test_entries_of_rows_are_python_values_by_name():
    arrays = {"text": np.array(["a", "b", "c"], object), "logprob": np.array([-1.0, -2.0, -3.0])}
    values = values_of_rows(arrays, ["text", "logprob"], [2, 0])
    assert values == [{"text": "c", "logprob": -3.0}, {"text": "a", "logprob": -1.0}]
    assert type(values[0]["logprob"]) is float


def infos_of_row(row):
    return {
        "text": f"text {row}\0",  # an array of characters would lose the NUL
        "ending": None if row == 1 else "budget",
        "final_info": {"steps": row, "scores": {"reward": row / 4, "is_right": row > 1}},
    }


@pytest.mark.parametrize("groups", [[[1, 3]], [[3], [1, 0]], [[]]])
def test_infos_of_rows_are_added_as_gymnasium_adds_them(groups):
    envs = gym.vector.VectorEnv()
    envs.num_envs = 4
    expected, found = {}, {}
    for rows in groups:
        for row in rows:
            envs._add_info(expected, infos_of_row(row), row)
        add_infos(found, rows, [infos_of_row(row) for row in rows], 4)
    assert_same_infos(found, expected)


def assert_same_infos(found, expected):
    assert list(found) == list(expected)
    for name, values in expected.items():
        if isinstance(values, dict):
            assert_same_infos(found[name], values)
        else:
            assert found[name].dtype == values.dtype
            assert found[name].tolist() == values.tolist()
