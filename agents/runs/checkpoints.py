"""Checkpoints of a training run: written atomically, loaded without executing code.

Owns the content of a checkpoint file. Stable-Baselines3's own `load` unpickles code; a checkpoint
here holds tensors and plain values only and is loaded with `weights_only=True`, into an algorithm
rebuilt from the run's configuration. A checkpoint of one device loads on another.
"""

import json
import pickle
import random
import shutil
import struct
import warnings
import zipfile
import zlib
from collections import deque
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

from agents.algorithms.group_baseline import GroupBaseline
from agents.config.loading import UserError
from agents.runs import manifest, replay
from agents.runs.exploration_noise import exploration_noise
from agents.runs.manifest import CHECKPOINTS
from lm_envs.validation import first_line

CHECKPOINT, BEST = CHECKPOINTS["last"], CHECKPOINTS["best"]
"""Files of a run folder: the last checkpoint, and that of the highest held-out reward."""

REPLAY = "replay-{}.safetensors"
"""File of a run folder: the replay buffer at a step."""

_COUNTERS = ("num_timesteps", "_n_updates", "_episode_num", "_last_obs", "_last_episode_starts")
_OPTIONAL = ("_n_calls", "exploration_rate")
"""Counters that some algorithms have: DQN updates its target network every few calls."""
_WINDOWS = ("ep_info_buffer", "ep_success_buffer")
"""Attributes of an algorithm: counters, and the deques of its last episodes for mean rewards."""

_KEYS = ("parameters", *_COUNTERS, "env", "random", "numpy", "torch", "notes")
"""Keys of every checkpoint."""

_DAMAGE = (zipfile.BadZipFile, zlib.error, struct.error, RuntimeError, EOFError, LookupError)
"""Errors of reading a damaged file, beside ValueError and OSError."""


@runtime_checkable
class HasState(Protocol):
    """An environment whose state can be saved and restored."""

    def get_state(self) -> dict[str, Any]:
        """Returns the state for `set_state`."""
        ...

    def set_state(self, state: dict[str, Any]) -> Any:  # noqa: ANN401 - observations
        """Restores a state; returns its observations."""
        ...


def save(
    model: BaseAlgorithm,
    path: Path,
    notes: Mapping[str, Any] | None = None,
    facts: Mapping[str, Any] | None = None,
    max_replay_bytes: int = 0,
) -> None:
    """Writes parameters, counters, random states and the environment's state.

    Args:
        model: Between an update and the next rollout, where it holds no unfinished rollout.
        path: Of the checkpoint.
        notes: Plain values that `restore` returns.
        facts: JSON values for the manifest, beside the step.
        max_replay_bytes: Largest replay buffer that is stored, in a file of its own.
    """
    env = model.get_env()
    assert isinstance(env, HasState)
    values = {
        "parameters": {**model.get_parameters(), **loose_tensors(model)},
        **{name: getattr(model, name) for name in _COUNTERS},
        **{name: getattr(model, name) for name in _OPTIONAL if hasattr(model, name)},
        **{name: list(getattr(model, name) or ()) for name in _WINDOWS},
        "memory": list(getattr(model, "_last_lstm_states", None) or ()),  # of RecurrentPPO
        "group_baseline": _group_state(model),
        # Off-policy algorithms draw their first actions from it; as text, for its large numbers.
        "action_space": json.dumps(model.action_space.np_random.bit_generator.state),
        **{"noise": exploration_noise(model), "env": env.get_state()},
        "replay": _store_replay(model, path, max_replay_bytes),
        "gamma": env.get_attr("gamma")[0] if env.has_attr("gamma") else 1.0,
        **{"random": random.getstate(), "numpy": np.random.get_state()},
        "torch": torch.get_rng_state(),
        # On a GPU tokens are sampled by its own generator; one state for each device.
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],
        "notes": dict(notes or {}),
    }
    state, listed = _to_plain(values), {"step": model.num_timesteps, **(facts or {})}
    manifest.write_listed(path, lambda temporary: torch.save(state, temporary), listed)
    if path.name == CHECKPOINT:  # only now the former buffer is no longer needed
        manifest.remove(path.parent, REPLAY.format("*"), keep=state["replay"])


def promote_best(folder: Path) -> None:
    """Copies the best checkpoint of a run over its last one, from which the run continues.

    Raises:
        UserError: If there is no best one, or it is damaged.
    """
    best = folder / BEST
    if not best.is_file():
        raise UserError(
            f"Got no {best}; allowed: --checkpoint last. Runs of version 0.1 have no best one."
        )
    _check_content(best)
    step = {"step": manifest.facts(best).get("step", 0)}  # a best one has no replay buffer
    manifest.write_listed(folder / CHECKPOINT, lambda target: shutil.copy(best, target), step)


def load_parameters(model: BaseAlgorithm, path: Path) -> None:
    """Loads the parameters of a checkpoint into an algorithm; nothing else changes."""
    set_parameters(model, _read(path)["parameters"])


def restore(model: BaseAlgorithm, path: Path) -> dict[str, Any]:
    """Restores the state at `save`, bit for bit; returns its notes.

    The notes have a further key "noise", for `restore_exploration_noise`.

    A replay buffer that was not stored restarts empty. A checkpoint written on a GPU continues
    without one, with a warning: other random numbers are drawn there.

    Raises:
        UserError: If the file is damaged or holds something else.
    """
    state = _read(path)
    env = model.get_env()
    assert isinstance(env, HasState)
    set_parameters(model, state["parameters"])
    for name in _COUNTERS:
        setattr(model, name, state[name])
    for name in set(_OPTIONAL) & set(state):
        setattr(model, name, state[name])
    for name in _WINDOWS:
        setattr(model, name, deque(state[name], maxlen=model._stats_window_size))
    if "action_space" in state:  # checkpoints of version 0.1 have none
        model.action_space.np_random.bit_generator.state = json.loads(state["action_space"])
    _restore_memory(model, state.get("memory"))
    _restore_group_state(model, state.get("group_baseline"))
    if name := state.get("replay"):
        if Path(name).name != name:
            raise _unreadable(path, f"its replay buffer {name!r} lies in another folder")
        _restore_replay(model, path.with_name(name))
    env.set_state(state["env"])
    if env.has_attr("gamma"):
        # Checkpoints of version 0.1.0 have none: such a run goes on with the rewards it began with.
        env.set_attr("gamma", state.get("gamma", 1.0))
    random.setstate(_tupled(state["random"]))
    np.random.set_state(_tupled(state["numpy"]))
    torch.set_rng_state(torch.from_numpy(state["torch"]))
    _set_cuda_generators(state.get("cuda", []), path)
    return {**state["notes"], "noise": state.get("noise", {})}


def read_state(path: Path, keys: Iterable[str]) -> dict[str, Any]:
    """Loads a checkpoint's dictionary to the CPU, after a check of the file; executes no code.

    Args:
        path: Written by `torch.save`, on any device.
        keys: Must be in the dictionary.

    Raises:
        UserError: If the file is damaged, or holds something else; the message names the file.
    """
    _check_content(path)
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()  # PyTorch itself does not compare the checksums
        state: Any = None
        if damaged is None:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        # PyTorch's message recommends weights_only=False, which would execute the file's code.
        reason = "it holds objects other than tensors and plain values, which are never loaded"
        raise _unreadable(path, reason) from None
    except (*_DAMAGE, ValueError, OSError) as error:
        raise _unreadable(path, first_line(error)) from None
    if damaged is not None:
        raise _unreadable(path, f"the checksum of {damaged!r} in it is wrong")
    missing = [key for key in keys if not isinstance(state, dict) or key not in state]
    if missing:
        raise _unreadable(path, f"it has no {missing[0]!r}, so it is no checkpoint of such a run")
    return state


def _store_replay(model: BaseAlgorithm, path: Path, max_bytes: int) -> str | None:
    """Writes the replay buffer beside a checkpoint; returns the file's name, None without one.

    The name has the step: until the checkpoint is replaced, the former file stays.
    """
    buffer = getattr(model, "replay_buffer", None)
    if buffer is None or not max_bytes:
        return None
    if (size := replay.num_bytes(buffer)) > max_bytes:
        warnings.warn(
            f"Got a replay buffer of {size / 2**20:.0f} MiB, more than max_replay_mb="
            f"{max_bytes // 2**20}: it is not stored, and a resumed run begins with an empty one.",
            stacklevel=3,
        )
        return None
    name = REPLAY.format(model.num_timesteps)
    step = {"step": model.num_timesteps}
    manifest.write_listed(path.with_name(name), lambda target: replay.write(buffer, target), step)
    return name


def _restore_replay(model: BaseAlgorithm, path: Path) -> None:
    _check_content(path)
    assert isinstance(model, OffPolicyAlgorithm)
    assert model.replay_buffer is not None
    replay.restore(model.replay_buffer, path)


def _restore_memory(model: BaseAlgorithm, memory: list[list[np.ndarray]] | None) -> None:
    """Sets the recurrent states of RecurrentPPO."""
    if memory:
        former = model._last_lstm_states  # type: ignore[attr-defined]  # RecurrentPPO has it
        tensors = [tuple(map(torch.from_numpy, each)) for each in memory]
        model._last_lstm_states = type(former)(*tensors)  # type: ignore[attr-defined]


def _group_state(model: BaseAlgorithm) -> dict[str, Any] | None:
    buffer = getattr(model, "rollout_buffer", None)
    return buffer.get_state() if isinstance(buffer, GroupBaseline) else None


def _restore_group_state(model: BaseAlgorithm, state: dict[str, Any] | None) -> None:
    """Sets how far the rows of each group have come, and what they are compared with."""
    buffer = getattr(model, "rollout_buffer", None)
    if state is not None and isinstance(buffer, GroupBaseline):
        buffer.set_state(state)


def loose_tensors(model: BaseAlgorithm) -> dict[str, torch.Tensor]:
    """Returns learned tensors outside any network, such as SAC's log of the entropy coefficient."""
    names = model._get_torch_save_params()[1]
    return {name: getattr(model, name).detach().clone() for name in names}


def set_parameters(model: BaseAlgorithm, parameters: dict[str, Any]) -> None:
    """Gives an algorithm all its parameters: of networks, of optimizers and loose tensors."""
    loose = loose_tensors(model)
    model.set_parameters({n: value for n, value in parameters.items() if n not in loose})
    with torch.no_grad():
        for name in loose:
            getattr(model, name).copy_(parameters[name])


def _set_cuda_generators(states: list[np.ndarray], path: Path) -> None:
    """Restores the generators of CUDA devices; `states` is empty if the run used none."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if len(states) > count:
        warnings.warn(
            f"{path} was written with {len(states)} CUDA devices, here are {count}: the run "
            "continues from its weights, but not with the same random numbers.",
            stacklevel=3,
        )
    for device, state in enumerate(states[:count]):
        torch.cuda.set_rng_state(torch.from_numpy(state), device)


def _read(path: Path) -> dict[str, Any]:
    return _from_plain(read_state(path, _KEYS), inside="")


def _check_content(path: Path) -> None:
    """Compares a file with the manifest, which names damage that an archive does not show."""
    try:
        manifest.check(path)
    except (manifest.DamagedError, OSError) as error:
        raise _unreadable(path, first_line(error)) from None


def _unreadable(path: Path, reason: str) -> UserError:
    return UserError(f"Got an unreadable {path} ({reason}); {manifest.remedy(path)}.")


def _to_plain(value: Any) -> Any:  # noqa: ANN401 - a tree of values
    """Converts arrays to tensors and NumPy scalars to numbers, which `weights_only` can load."""
    if isinstance(value, dict):
        return {key: _to_plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_to_plain(entry) for entry in value]
    if isinstance(value, np.ndarray):
        # "K" keeps the order in memory: PyTorch convolves images of another order with other last
        # bits, and Stable-Baselines3 transposes them without a copy.
        return torch.from_numpy(value.copy(order="K"))
    return value.item() if isinstance(value, np.generic) else value


def _from_plain(value: Any, inside: str) -> Any:  # noqa: ANN401 - a tree of values
    """Converts tensors back to arrays, except in the parameters."""
    if inside == "parameters":
        return value
    if isinstance(value, dict):
        return {key: _from_plain(entry, str(key)) for key, entry in value.items()}
    if isinstance(value, list):
        return [_from_plain(entry, "") for entry in value]
    return value.numpy() if isinstance(value, torch.Tensor) else value


def _tupled(value: Any) -> Any:  # noqa: ANN401 - a tree of values
    return tuple(_tupled(entry) for entry in value) if isinstance(value, list) else value
