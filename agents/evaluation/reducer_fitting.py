"""Fitting of observation reducers on states of the random policy.

Owns the sampling of states and the measures of a fitted reducer. The methods themselves live in
`lm_envs.envs.observations.reducers`.
"""

import inspect
from collections.abc import Iterable
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import VectorEnv

from lm_envs.envs.observations.reducers import REDUCERS, Reducer
from lm_envs.validation import check_choice

_FITTED = ("states", "model")
"""Parameters of every kind's `fit` that are no options."""


def sample_states(env: VectorEnv, count: int, seed: int = 0) -> np.ndarray:
    """Samples states (count, D) of the uniformly random policy, initial states included.

    Args:
        env: With vector observations, in autoreset mode SAME_STEP, so that every observation is
            the state of a running episode.
        count: Number of states.
        seed: Seed of the examples and of the actions.

    Raises:
        ValueError: If its observations are not vectors.
    """
    space = env.single_observation_space
    if not isinstance(space, gym.spaces.Box) or len(space.shape) != 1:
        kind = f"{type(space).__name__} of shape {space.shape}"
        raise ValueError(f"Got observations {kind}; allowed: vectors, as observation='hidden'.")
    env.action_space.seed(seed)
    states = [env.reset(seed=seed)[0]]
    while len(states) * env.num_envs < count:
        states.append(env.step(env.action_space.sample())[0])
    return np.concatenate(states)[:count]


def fit(kind: str, states: np.ndarray, model: str, options: dict[str, Any]) -> Reducer:
    """Fits a reducer on states (S, D).

    Args:
        kind: One of `REDUCERS`.
        states: (S, D).
        model: Fingerprint of the model that made the states; a reducer fits this model only.
        options: Further arguments of the kind's `fit`.

    Raises:
        ValueError: If the kind or an option is unknown, or an option is out of range.
    """
    check_kind(kind, options)
    return REDUCERS[kind].fit(states, model=model, **options)


def check_kind(kind: str, options: Iterable[str]) -> None:
    """Checks the kind of a reducer and the names of its options; needs no states.

    Raises:
        ValueError: If one is unknown; the message names the allowed ones.
    """
    check_choice("kind", kind, REDUCERS)
    parameters = inspect.signature(REDUCERS[kind].fit).parameters
    allowed = [name for name in parameters if name not in _FITTED]
    for name in options:
        check_choice("option", name, allowed)


def summarize(reducer: Reducer, states: np.ndarray, held_out: np.ndarray) -> dict[str, Any]:
    """Measures a reducer on held-out states: distinct codes, or the mean standard deviation."""
    size = {"features": states.shape[1], "states": len(states), "space": str(reducer.space)}
    reduced = reducer.transform(held_out)
    if isinstance(reducer.space, gym.spaces.Box):
        return size | {"held_out_deviation": round(float(reduced.std(0).mean()), 3)}
    codes, counts = np.unique(reduced, axis=0, return_counts=True)
    largest = counts.max() / len(held_out)
    return size | {"held_out_codes": len(codes), "largest_code_share": round(float(largest), 3)}
