"""Wrappers that reduce observations, for single and vector environments.

`observation={"kind": "hidden", "reducer": FILE}` does the same inside an environment. Owns the
check that a reducer fits the environment's model. Knows nothing of how reducers work.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import VectorEnv, VectorWrapper
from gymnasium.vector.utils import batch_space

from lm_envs.envs.observations.reducers import Reducer, load_reducer
from lm_envs.model.loading import EMBEDDED, fingerprint


class ReducedObservation(gym.ObservationWrapper, gym.utils.RecordConstructorArgs):
    """Reduces the observations of an environment.

    Args:
        env: An environment made by `gymnasium.make("lm_envs/...")`.
        reducer: A reducer, or its file.

    Raises:
        ValueError: If the reducer was fitted on another model or another kind of observation.
    """

    def __init__(self, env: gym.Env, reducer: Reducer | str | Path) -> None:
        gym.utils.RecordConstructorArgs.__init__(self, reducer=reducer)
        gym.ObservationWrapper.__init__(self, env)
        own = model_of(env.unwrapped.spec)
        self.reducer = fitting_reducer(reducer, own, env.observation_space)
        self.observation_space = self.reducer.space

    def observation(self, observation: np.ndarray) -> Any:  # noqa: ANN401 - a number, or several
        """Returns the reduced observation."""
        return self.reducer.transform(observation[None])[0]


class VectorReducedObservation(VectorWrapper):
    """Reduces the observations of N rows, `final_obs` included, in every autoreset mode.

    Args:
        env: An environment made by `gymnasium.make_vec("lm_envs/...")`.
        reducer: A reducer, or its file.

    Raises:
        ValueError: If the reducer was fitted on another model or another kind of observation.
    """

    def __init__(self, env: VectorEnv, reducer: Reducer | str | Path) -> None:
        super().__init__(env)
        own = model_of(env.unwrapped.spec)
        self.reducer = fitting_reducer(reducer, own, env.single_observation_space)
        self.single_observation_space = self.reducer.space
        self.observation_space = batch_space(self.reducer.space, env.num_envs)

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Starts N episodes; returns reduced observations (N, ...)."""
        observations, infos = self.env.reset(seed=seed, options=options)  # type: ignore[arg-type]  # ours take None for a row
        return self.reducer.transform(observations), infos

    def step(
        self, actions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Performs one action in every row; returns reduced observations (N, ...)."""
        observations, rewards, terminated, truncated, infos = self.env.step(actions)
        if "final_obs" in infos:
            infos = {**infos, "final_obs": self._reduce_final(infos)}
        return self.reducer.transform(observations), rewards, terminated, truncated, infos

    def _reduce_final(self, infos: dict[str, Any]) -> np.ndarray:
        """Returns the final observations, (N,) object; None for rows whose episode continues."""
        rows = np.flatnonzero(infos["_final_obs"])
        reduced = np.full(self.num_envs, None, object)
        states = self.reducer.transform(np.stack(infos["final_obs"][rows]))
        for row, state in zip(rows, states, strict=True):
            reduced[row] = state
        return reduced


def fitting_reducer(reducer: Reducer | str | Path, model: str, space: gym.Space[Any]) -> Reducer:
    """Returns the reducer, loaded if it is a file, after checking that it fits.

    Args:
        reducer: A reducer, or its file.
        model: Fingerprint of the environment's model.
        space: Observation space of one row.

    Raises:
        ValueError: If the reducer was fitted on another model or another kind of observation.
    """
    if not isinstance(reducer, (Reducer, str, Path)):
        raise ValueError(
            f"Got reducer={reducer!r}; allowed: a reducer, or its file, which agents.fit_reducer "
            "writes."
        )
    if not isinstance(reducer, Reducer):
        reducer = load_reducer(Path(reducer))
    if space.shape != (reducer.num_features,):
        raise ValueError(
            f"Got observations of shape {space.shape} for a reducer of {reducer.num_features} "
            "features; allowed: the observation and actions that it was fitted with. Fit another "
            "with agents.fit_reducer."
        )
    if model != reducer.model:
        raise ValueError(
            f"Got a reducer fitted on the model with SHA-256 {reducer.model[:12]}…; this "
            f"environment's model has {model[:12]}…, whose states have another meaning. Fit a "
            "reducer on this model with agents.fit_reducer."
        )
    return reducer


def model_of(spec: EnvSpec | None) -> str:
    """Returns the fingerprint of an environment's model.

    Raises:
        ValueError: If the environment was not made by its id, so that it has no spec.
    """
    if spec is None:
        raise ValueError(
            "Got an environment without a spec, so its model is unknown; make it with "
            "gymnasium.make('lm_envs/...') or make_vec."
        )
    return fingerprint(spec.kwargs.get("model", EMBEDDED))
