"""One row's share of a batch."""

import numpy as np

from lm_envs.envs.rows import index_row, new_generators, to_python


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
