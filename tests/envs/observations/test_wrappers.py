"""Reduced observations: as wrappers, and inside an environment."""

import warnings

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import check_env

from agents.evaluation.reducer_fitting import fit
from lm_envs.envs.observations.reducers import REDUCERS
from lm_envs.envs.observations.wrappers import (
    ReducedObservation,
    VectorReducedObservation,
    fitting_reducer,
    model_of,
)
from lm_envs.model.loading import fingerprint
from lm_envs.sb3 import make_language_vec_env
from tests.envs.helpers import ID


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


def test_a_reducer_fits_its_own_model_and_states_only(reducers, states):
    reducer = reducers["hashed"]
    space = gym.spaces.Box(-100.0, 100.0, states.shape[1:], np.float32)
    assert fitting_reducer(reducer, reducer.model, space) is reducer
    with pytest.raises(ValueError, match="fitted on the model with SHA-256"):
        fitting_reducer(reducer, "0" * 64, space)


def test_an_environment_without_a_spec_has_no_known_model():
    with pytest.raises(ValueError, match=r"without a spec.*make it with gymnasium.make"):
        model_of(None)
