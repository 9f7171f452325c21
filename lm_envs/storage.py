"""Files that are either whole or absent, whatever kills the process; and files of named arrays.

Owns the temporary file, the rename and both fsyncs, and the form of a file of arrays, which is read
without executing anything. Knows nothing of what the contents mean.
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from lm_envs.validation import check_choice

_HEADER = "header"


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Lets `write` fill a temporary file beside `path`, then puts it in the place of `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write(temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray], header: Mapping[str, Any]) -> None:
    """Writes beside `path`, then puts the file in its place; a kill leaves the old one or the new.

    Args:
        path: A `.safetensors` file; its folder is made where it is missing.
        arrays: Numbers or truth values by name.
        header: Plain values that JSON can hold; `kind` says what the arrays are.
    """
    solid = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    metadata = {_HEADER: json.dumps(header, allow_nan=False)}
    write_atomically(path, lambda temporary: save_file(solid, temporary, metadata))


def read_arrays(path: Path, kinds: Sequence[str]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays and header of a file of `write_arrays`.

    Args:
        path: The file.
        kinds: What the header's `kind` may be.

    Raises:
        ValueError: If there is no such file, or it is of another kind.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            header = json.loads((file.metadata() or {})[_HEADER])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise ValueError(
            f"Got {path}, which cannot be read ({error!r}); allowed: a file of kind {kinds}."
        ) from None
    check_choice(f"kind in {path}", header["kind"], kinds)
    return arrays, header


def _sync_folder(folder: Path) -> None:
    """Makes a rename in a folder outlast a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
