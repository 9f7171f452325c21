import json
import warnings

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import check_env
from safetensors.numpy import save_file

import lm_envs
from agents.evaluation.reducer_fitting import fit, sample_states, summarize
from agents.fit_reducer import main
from lm_envs.envs.observations.kmeans import k_means, nearest
from lm_envs.envs.observations.reducers import REDUCERS, load_reducer
from lm_envs.envs.observations.wrappers import ReducedObservation, VectorReducedObservation
from lm_envs.model.loading import fingerprint
from lm_envs.sb3 import make_language_vec_env

gym.register_envs(lm_envs)

ID = "lm_envs/NextWord-v0"
SMALL = {"compressed": {"dim": 5}, "clustered": {"num_clusters": 12, "dim": 5}}
OPTIONS = {**SMALL, "hashed": {"bits": 6}, "binned": {"dim": 3, "bins": 4}}


@pytest.fixture(scope="module")
def arguments(checkpoint):
    return {"model": str(checkpoint), "max_new_tokens": 4, "actions": {"kind": "top_k", "k": 4}}


@pytest.fixture(scope="module")
def states(arguments):
    env = gym.make_vec(ID, num_envs=16, autoreset_mode="same_step", **arguments)
    return sample_states(env, 600)


@pytest.fixture(scope="module")
def reducers(states, checkpoint):
    model = fingerprint(str(checkpoint))
    return {kind: fit(kind, states, model, options) for kind, options in OPTIONS.items()}


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


def test_k_means_finds_separate_clouds():
    rng = np.random.default_rng(0)
    truth = rng.integers(4, size=400)
    points = 10.0 * np.eye(4)[truth] + rng.normal(size=(400, 4))
    labels = nearest(points, k_means(points, 4, rng))
    assert len(set(zip(truth.tolist(), labels.tolist(), strict=True))) == 4


def test_opposite_states_share_no_bit():
    states = np.random.default_rng(0).normal(size=(100, 8))
    states = np.concatenate([states, -states])  # the mean is 0
    codes = fit("hashed", states, "", {"bits": 10}).transform(states)
    np.testing.assert_array_equal(codes[:100] ^ codes[100:], 2**10 - 1)


@pytest.mark.filterwarnings("ignore:.*different from the unwrapped version")
@pytest.mark.parametrize("kind", REDUCERS)
def test_a_single_environment_passes_gymnasiums_checks(kind, reducers, arguments):
    env = ReducedObservation(gym.make(ID, **arguments), reducers[kind])
    check_env(env, skip_render_check=True)


@pytest.mark.parametrize("mode", ["next_step", "same_step", "disabled"])
def test_rows_are_reduced_in_every_autoreset_mode(mode, reducers, arguments):
    reducer = reducers["clustered"]
    plain, env = (gym.make_vec(ID, num_envs=3, autoreset_mode=mode, **arguments) for _ in range(2))
    env = VectorReducedObservation(env, reducer)
    states, reduced = plain.reset(seed=1)[0], env.reset(seed=1)[0]
    for _ in range(4):
        assert env.observation_space.contains(reduced)
        np.testing.assert_array_equal(reduced, reducer.transform(states))
        states, *_, expected = plain.step(np.zeros(3, np.int64))
        reduced, *_, infos = env.step(np.zeros(3, np.int64))
    assert ("final_obs" in infos) == (mode == "same_step")
    if mode == "same_step":
        final = reducer.transform(np.stack(expected["final_obs"]))
        assert infos["final_obs"].tolist() == final.tolist()


def test_sb3_sees_reduced_terminal_observations(reducers, arguments, tmp_path):
    path = tmp_path / "reducer.safetensors"
    reducers["clustered"].save(path)
    plain = make_language_vec_env(ID, 3, seed=1, **arguments)
    observation = {"kind": "hidden", "reducer": str(path)}
    reduced = make_language_vec_env(ID, 3, seed=1, observation=observation, **arguments)
    np.testing.assert_array_equal(reduced.reset(), reducers["clustered"].transform(plain.reset()))
    for _ in range(4):
        *_, expected = plain.step(np.zeros(3, np.int64))
        *_, infos = reduced.step(np.zeros(3, np.int64))
    final = np.stack([info["terminal_observation"] for info in expected])
    ours = [info["terminal_observation"] for info in infos]
    assert ours == reducers["clustered"].transform(final).tolist()


@pytest.mark.parametrize("kind", REDUCERS)
def test_a_reducer_in_the_spec_does_what_the_wrapper_does(kind, reducers, arguments, tmp_path):
    path = tmp_path / "reducer.safetensors"
    reducers[kind].save(path)
    env = gym.make(ID, observation={"kind": "hidden", "reducer": str(path)}, **arguments)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env.unwrapped)
    copy = gym.make(EnvSpec.from_json(env.spec.to_json()))
    wrapped = ReducedObservation(gym.make(ID, **arguments), reducers[kind])
    assert copy.observation_space == wrapped.observation_space
    first, _ = copy.reset(seed=3)
    expected, _ = wrapped.reset(seed=3)
    for action in (1, 0, 2):
        np.testing.assert_array_equal(first, expected)
        first, expected = copy.step(action)[0], wrapped.step(action)[0]


@pytest.mark.parametrize("model", ["embedded", None])
def test_a_reducer_in_the_spec_that_does_not_fit_is_refused(model, states, arguments, tmp_path):
    path = tmp_path / "reducer.safetensors"
    if model:
        fit("hashed", states, fingerprint(model), {}).save(path)
    with pytest.raises(ValueError, match=r"fitted on the model with|which cannot be read"):
        gym.make(ID, observation={"kind": "hidden", "reducer": str(path)}, **arguments)


def test_the_command_fits_and_saves(tmp_path, capsys, checkpoint):
    path = tmp_path / "reducer.safetensors"
    kwargs = [f"model={checkpoint}", "max_new_tokens=3"]
    main("hashed", path, n_envs=8, states=64, options=["bits=5"], kwargs=kwargs)
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert summary["space"] == "Discrete(32)"
    assert load_reducer(path).model == summary["model"] == fingerprint(str(checkpoint))


def test_a_reducer_of_another_model_is_refused(states, arguments):
    reducer = fit("hashed", states, fingerprint("embedded"), {})
    with pytest.raises(ValueError, match=r"Got a reducer fitted on the model with SHA-256 .* Fit"):
        ReducedObservation(gym.make(ID, **arguments), reducer)


def test_a_reducer_of_other_observations_is_refused(reducers, arguments):
    env = gym.make(ID, **{**arguments, "actions": {"kind": "top_k", "k": 5}})
    with pytest.raises(
        ValueError, match=r"Got observations of shape \(\d+,\) for a reducer of \d+"
    ):
        ReducedObservation(env, reducers["hashed"])


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


def test_the_summary_counts_codes_in_use(reducers, states):
    summary = summarize(reducers["clustered"], states, states)
    assert summary["held_out_codes"] == 12
    assert 1 / 12 <= summary["largest_code_share"] < 1
