"""One step of N rows, whichever library's vector environment they are.

Owns what a step led to when the environment began again at once. Knows nothing of learning.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from stable_baselines3.common.vec_env import VecEnv


@dataclass(frozen=True, slots=True)
class Step:
    """What N rows did.

    Attributes:
        observations: (N,) where the rows stand now; a new episode's first where one is over.
        successors: (N,) where the step led, before anything began again.
        rewards: (N,) float64.
        terminated: (N,) bool, nothing follows the successor.
        is_over: (N,) bool, terminated or truncated.
    """

    observations: np.ndarray
    successors: np.ndarray
    rewards: np.ndarray
    terminated: np.ndarray
    is_over: np.ndarray


class Rows(Protocol):
    """N episodes that begin again at once."""

    def reset(self, seed: int | None) -> np.ndarray:
        """Observations (N,) of new episodes."""
        ...

    def step(self, actions: np.ndarray) -> Step:
        """Takes the actions (N,)."""
        ...


class GymnasiumRows:
    """Rows of a Gymnasium vector environment.

    Raises:
        ValueError: If its autoreset mode is not SAME_STEP.
    """

    def __init__(self, env: VectorEnv) -> None:
        mode = env.metadata.get("autoreset_mode")
        if mode is not AutoresetMode.SAME_STEP:
            raise ValueError(
                f"Got autoreset_mode={mode}; allowed: SAME_STEP. Make the environment with "
                "autoreset_mode='same_step'."
            )
        self._env = env

    def reset(self, seed: int | None) -> np.ndarray:
        """Observations (N,) of new episodes."""
        return self._env.reset(seed=seed)[0]

    def step(self, actions: np.ndarray) -> Step:
        """Takes the actions (N,)."""
        observations, rewards, terminated, truncated, infos = self._env.step(actions)
        is_over = terminated | truncated
        successors = observations.copy()
        for row in np.flatnonzero(is_over):
            successors[row] = infos["final_obs"][row]
        return Step(observations, successors, rewards, terminated, is_over)


class SB3Rows:
    """Rows of a Stable-Baselines3 `VecEnv`."""

    def __init__(self, env: VecEnv) -> None:
        self._env = env

    def reset(self, seed: int | None) -> np.ndarray:
        """Observations (N,) of new episodes."""
        if seed is not None:
            self._env.seed(seed)
        observations: Any = self._env.reset()
        return observations

    def step(self, actions: np.ndarray) -> Step:
        """Takes the actions (N,)."""
        stepped: Any = self._env.step(actions)
        observations, rewards, is_over, infos = stepped
        successors, terminated = observations.copy(), is_over.copy()
        for row in np.flatnonzero(is_over):
            successors[row] = infos[row]["terminal_observation"]
            terminated[row] = not infos[row].get("TimeLimit.truncated", False)
        return Step(observations, successors, rewards.astype(np.float64), terminated, is_over)


def rows_of(env: VectorEnv | VecEnv) -> Rows:
    """The rows of a vector environment.

    Raises:
        ValueError: If it is none, or does not begin again in the same step.
    """
    if isinstance(env, VecEnv):
        return SB3Rows(env)
    if isinstance(env, VectorEnv):
        return GymnasiumRows(env)
    raise ValueError(
        f"Got {type(env).__name__}; allowed: a Stable-Baselines3 VecEnv, or gymnasium.make_vec(…, "
        "autoreset_mode='same_step')."
    )
