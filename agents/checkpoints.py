"""Checkpoints of a training run: whole or absent, and read back without executing anything.

Stable-Baselines3's own `load` unpickles code; here a checkpoint holds tensors and plain values only
and is read with `weights_only=True`, into an algorithm rebuilt from the run's configuration.
"""

import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm

from agents.files import write_atomically
from lm_envs.sb3 import LanguageVecEnv


def save(model: BaseAlgorithm, path: Path) -> None:
    """Writes parameters, counters, random states and the environment's state."""
    env = model.get_env()
    assert isinstance(env, LanguageVecEnv)
    state = {
        "parameters": model.get_parameters(),
        "num_timesteps": model.num_timesteps,
        "n_updates": model._n_updates,
        "last_obs": model._last_obs,
        "last_episode_starts": model._last_episode_starts,
        "env": env.get_state(),
        "random": random.getstate(),
        "numpy": np.random.get_state(),
        "torch": torch.get_rng_state(),
    }
    plain = _to_plain(state)
    write_atomically(path, lambda temporary: torch.save(plain, temporary))


def load_parameters(model: BaseAlgorithm, path: Path) -> None:
    """Gives an algorithm the parameters of a checkpoint; nothing else changes."""
    model.set_parameters(_read(path)["parameters"])


def restore(model: BaseAlgorithm, path: Path) -> None:
    """Continues where `save` was called: bit for bit for on-policy algorithms.

    Off-policy algorithms restart with an empty replay buffer.
    """
    state = _read(path)
    env = model.get_env()
    assert isinstance(env, LanguageVecEnv)
    model.set_parameters(state["parameters"])
    model.num_timesteps = state["num_timesteps"]
    model._n_updates = state["n_updates"]
    env.set_state(state["env"])
    model._last_obs = state["last_obs"]
    model._last_episode_starts = state["last_episode_starts"]
    random.setstate(_tupled(state["random"]))
    np.random.set_state(_tupled(state["numpy"]))
    torch.set_rng_state(torch.from_numpy(state["torch"]))


def _read(path: Path) -> dict[str, Any]:
    return _from_plain(torch.load(path, weights_only=True), inside="")


def _to_plain(value: Any) -> Any:  # noqa: ANN401 - a tree of values
    """Arrays as tensors, so that the file holds nothing but tensors and plain values."""
    if isinstance(value, dict):
        return {key: _to_plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_to_plain(entry) for entry in value]
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value.copy())
    return value


def _from_plain(value: Any, inside: str) -> Any:  # noqa: ANN401 - a tree of values
    """Tensors as arrays again, except in the parameters."""
    if inside == "parameters":
        return value
    if isinstance(value, dict):
        return {key: _from_plain(entry, str(key)) for key, entry in value.items()}
    if isinstance(value, list):
        return [_from_plain(entry, "") for entry in value]
    return value.numpy() if isinstance(value, torch.Tensor) else value


def _tupled(value: Any) -> Any:  # noqa: ANN401 - a tree of values
    return tuple(_tupled(entry) for entry in value) if isinstance(value, list) else value
