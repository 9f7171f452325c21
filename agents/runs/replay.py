"""Replay buffers of off-policy algorithms as safetensors files, without pickles.

Owns which part of a buffer is stored, and its restoration. Knows nothing of checkpoints.
"""

from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.buffers import ReplayBuffer

from agents.config.loading import UserError
from lm_envs.storage import read_arrays, write_arrays

_KIND = "replay_buffer"
_ARRAYS = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")


def num_bytes(buffer: ReplayBuffer) -> int:
    """Returns the size of the file that `write` would make, without its header."""
    return sum(array.nbytes for array in _filled(buffer).values())


def write(buffer: ReplayBuffer, path: Path) -> None:
    """Writes the filled part of a buffer.

    Args:
        buffer: Of one of Stable-Baselines3's classes; observations may be dicts.
        path: A `.safetensors` file.
    """
    write_arrays(path, _filled(buffer), {"kind": _KIND, "pos": buffer.pos, "full": buffer.full})


def restore(buffer: ReplayBuffer, path: Path) -> None:
    """Fills a new buffer with the content of a file.

    Raises:
        UserError: If the file is damaged, or holds a buffer of another size or other spaces.
    """
    try:
        arrays, header = read_arrays(path, [_KIND])
        buffer.pos, buffer.full = int(header["pos"]), bool(header["full"])
    except (ValueError, KeyError) as error:
        raise UserError(str(error)) from None
    targets = _filled(buffer)
    for name, target in targets.items():
        found = arrays.get(name)
        if found is None or (found.shape, found.dtype) != (target.shape, target.dtype):
            raise UserError(
                f"Got {path} without {name} of shape {target.shape} and type {target.dtype}; "
                "allowed: a buffer of the same environment and buffer_size."
            )
        target[:] = found


def _filled(buffer: ReplayBuffer) -> dict[str, np.ndarray]:
    """Views of the arrays of a buffer, of their filled part."""
    size = buffer.buffer_size if buffer.full else buffer.pos
    if buffer.optimize_memory_usage:  # the observation after the last stands at `pos`
        size = min(size + 1, buffer.buffer_size)
    views: dict[str, np.ndarray] = {}
    for name in _ARRAYS:
        value: Any = getattr(buffer, name, None)
        if isinstance(value, dict):
            views |= {f"{name}.{key}": array[:size] for key, array in value.items()}
        elif value is not None:
            views[name] = value[:size]
    return views
