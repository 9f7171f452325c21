"""Named arrays and one JSON header in one safetensors file, which is whole or absent.

Owns the file's form. Reading executes nothing. Knows nothing of what the arrays mean.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from lm_envs.checks import check_choice
from lm_envs.files import write_atomically

_HEADER = "header"


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
