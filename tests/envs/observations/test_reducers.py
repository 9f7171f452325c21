"""Reducers: what they compute, and their files."""

import numpy as np
import pytest
from safetensors.numpy import save_file

from agents.evaluation.reducer_fitting import fit
from lm_envs.envs.observations.reducers import REDUCERS, load_reducer
from lm_envs.model.loading import fingerprint
from tests.envs.helpers import DATA


@pytest.mark.parametrize("kind", REDUCERS)
def test_reduced_states_are_members_of_the_space(kind, reducers, states):
    reducer = reducers[kind]
    assert all(reducer.space.contains(reduced) for reduced in reducer.transform(states))


@pytest.mark.parametrize("kind", REDUCERS)
def test_a_row_does_not_depend_on_the_others(kind, reducers, states):
    together = reducers[kind].transform(states)
    alone = np.concatenate([reducers[kind].transform(state[None]) for state in states])
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", REDUCERS)
def test_a_saved_reducer_reduces_alike(kind, reducers, states, tmp_path):
    path = tmp_path / "reducer.safetensors"
    reducers[kind].save(path)
    loaded = load_reducer(path)
    np.testing.assert_array_equal(loaded.transform(states), reducers[kind].transform(states))
    assert loaded.space == reducers[kind].space
    assert loaded.model == reducers[kind].model
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_components_are_uncorrelated_with_unit_variance(reducers, states):
    reduced = reducers["compressed"].transform(states)
    np.testing.assert_allclose(np.cov(reduced.T, bias=True), np.eye(5), atol=1e-4)


def test_bins_hold_equal_numbers_of_states(states):
    reducer = fit("binned", states, "", {"dim": 2, "bins": 3, "layout": "multi"})
    codes = reducer.transform(states)
    for column in codes.T:
        np.testing.assert_allclose(np.bincount(column), 200, atol=3)  # equal states share a bin


def test_the_two_layouts_of_bins_tell_the_same(states):
    one, many = (
        fit("binned", states, "", {"dim": 2, "bins": 3, "layout": layout}).transform(states)
        for layout in ("discrete", "multi")
    )
    np.testing.assert_array_equal(one, many @ [3, 1])


def test_opposite_states_share_no_bit():
    states = np.random.default_rng(0).normal(size=(100, 8))
    states = np.concatenate([states, -states])  # the mean is 0
    codes = fit("hashed", states, "", {"bits": 10}).transform(states)
    np.testing.assert_array_equal(codes[:100] ^ codes[100:], 2**10 - 1)


def test_a_file_of_something_else_is_refused(tmp_path):
    path = tmp_path / "reducer.safetensors"
    save_file({"weights": np.zeros(3)}, path)
    for missing in (path, tmp_path / "none.safetensors"):
        with pytest.raises(ValueError, match=r"cannot be read .* allowed: a file of kind"):
            load_reducer(missing)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("pca", {}, "Got kind='pca'; allowed: 'compressed'"),
        ("hashed", {"bit": 3}, "Got option='bit'; allowed: 'bits', 'seed'"),
        ("hashed", {"bits": 60}, "Got bits=60; allowed: 1 to 24"),
        (
            "compressed",
            {"dim": 10_000},
            r"Got dim=10000 for 600 states that vary in \d+ dimensions",
        ),
        ("clustered", {"num_clusters": 601}, r"Got num_clusters=601 for \d+ distinct states"),
        ("binned", {"dim": 20, "bins": 4}, "Got bins=4 and dim=20; allowed"),
    ],
)
def test_options_out_of_range_are_refused(kind, options, message, states):
    with pytest.raises(ValueError, match=message):
        fit(kind, states, "", options)


@pytest.mark.parametrize("kind", REDUCERS)
def test_a_reducer_of_version_0_1_0_loads(kind):
    reducer = load_reducer(DATA / "version_0_1_0" / f"{kind}.safetensors")
    states = np.random.default_rng(0).normal(size=(9, reducer.num_features))
    assert all(reducer.space.contains(reduced) for reduced in reducer.transform(states))
    assert reducer.model == fingerprint("embedded")
