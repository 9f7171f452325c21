"""Reduced observations for Stable-Baselines3; translates, decides nothing."""

from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper

from lm_envs.envs.reduced import fitting_reducer
from lm_envs.envs.reducers import Reducer


class ReducedVecEnv(VecEnvWrapper):
    """Shows reduced observations of N rows, `terminal_observation` included.

    Args:
        venv: Of language environments, such as `make_language_vec_env` makes.
        reducer: A reducer, or its file.

    Raises:
        ValueError: If the reducer was fitted on another model or another kind of observation.
    """

    def __init__(self, venv: VecEnv, reducer: Reducer | str | Path) -> None:
        self.reducer = fitting_reducer(reducer, venv.get_attr("spec")[0], venv.observation_space)
        super().__init__(venv, observation_space=self.reducer.space)

    def reset(self) -> np.ndarray:
        """Begins N episodes; reduced observations (N, ...)."""
        return self._reduced(self.venv.reset())

    def step_wait(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """Advances every row."""
        observations, rewards, dones, infos = self.venv.step_wait()
        for row in np.flatnonzero(dones):
            final = infos[row]["terminal_observation"]
            infos[row]["terminal_observation"] = self._reduced(final[None])[0]
        return self._reduced(observations), rewards, dones, infos

    def set_state(self, state: dict[str, Any]) -> np.ndarray:
        """Returns to a state of `get_state`; the reduced observations there."""
        venv: Any = self.venv  # a LanguageVecEnv, or a wrapper that forwards to it
        return self._reduced(venv.set_state(state))

    def _reduced(self, observations: Any) -> np.ndarray:  # noqa: ANN401 - SB3 allows dicts too
        return self.reducer.transform(observations)
