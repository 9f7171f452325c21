"""Atomic writes of files and folders, and safetensors files of named arrays with a JSON header.

After a crash at any moment a file is the old one or the new one, never a part. Owns the temporary
file, the rename, both fsyncs, and the place of this library's cache. Loading executes no code.
Knows nothing of what the contents mean.
"""

import glob
import json
import os
import re
import shutil
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from lm_envs.validation import check_choice

_HEADER = "header"
_TEMPORARY = re.compile(r"\..+\.\d+\.tmp")
"""Names of temporary files: those of `write_atomically`."""


def cache_folder() -> Path:
    """Folder of files that can be made again: lm_envs in $XDG_CACHE_HOME or ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lm_envs"


def write_atomically(
    path: Path, write: Callable[[Path], object], *, makes_folder: bool = True
) -> None:
    """Calls `write` with a temporary path in the same folder, then renames that file to `path`.

    Args:
        path: Final path.
        write: Writes the whole content to the path that it receives.
        makes_folder: Whether missing folders are created. If not, `write` gets a path that it
            cannot open.
    """
    if makes_folder:
        path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary_path(path)
    try:
        write(temporary)
        with temporary.open("rb") as file:  # the content has to be on disk before the rename
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def write_folder_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Calls `write` with a new temporary folder next to `path`, then renames it to `path`.

    Args:
        path: Final path; missing parents are created. A folder that another process writes there
            meanwhile is kept, and this one is dropped.
        write: Writes all files into the folder that it receives.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary_path(path)
    temporary.mkdir()
    try:
        write(temporary)
        for file in temporary.iterdir():
            with file.open("rb") as content:
                os.fsync(content.fileno())
        if not path.exists():
            temporary.rename(path)
        _sync_folder(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray], header: Mapping[str, Any]) -> None:
    """Writes named arrays and a header to a file, atomically.

    Args:
        path: A `.safetensors` file; missing folders are created.
        arrays: Arrays of numbers or booleans by name.
        header: JSON values; `kind` identifies the type of the file.
    """
    # safetensors writes the buffer of an array, whatever its strides.
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    metadata = {_HEADER: json.dumps(header, allow_nan=False)}
    write_atomically(path, lambda temporary: save_file(contiguous, temporary, metadata))


def read_arrays(path: Path, kinds: Sequence[str]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Returns arrays and header of a file that `write_arrays` wrote.

    Args:
        path: The file.
        kinds: Allowed values of `kind` in the header.

    Raises:
        ValueError: If the file is missing or malformed, or of another kind.
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


def _temporary_path(path: Path) -> Path:
    """This process's temporary path beside `path`, whose folder is cleaned."""
    _remove_abandoned(path)
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def _remove_abandoned(path: Path) -> None:
    """Deletes temporary files and folders of this path whose process was killed while it wrote."""
    prefix, suffix = f".{path.name}.", ".tmp"
    for found in path.parent.glob(f"{glob.escape(prefix)}*{suffix}"):
        writer = found.name.removeprefix(prefix).removesuffix(suffix)
        if writer.isascii() and writer.isdigit() and not _is_running(int(writer)):
            if found.is_dir():
                shutil.rmtree(found, ignore_errors=True)
            else:
                found.unlink(missing_ok=True)


def remove_temporary_files(folder: Path) -> None:
    """Deletes the temporary files that killed calls of `write_atomically` left in a folder.

    Files in its subfolders are deleted too. Call it only while no other process writes there.
    """
    for path in folder.rglob(".*.tmp"):
        if path.is_file() and _TEMPORARY.fullmatch(path.name):
            path.unlink(missing_ok=True)


def _is_running(process: int) -> bool:
    if os.name != "posix":  # elsewhere a signal of 0 would end the process
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _sync_folder(folder: Path) -> None:
    """Writes the folder itself to disk, so that a rename in it survives a power failure."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:  # a folder that may be written to, but not listed
        return _warn_about_sync(folder, "it cannot be opened")
    try:
        os.fsync(descriptor)
    except OSError as error:  # EINVAL, EACCES: some network file systems cannot sync a folder
        _warn_about_sync(folder, error.strerror or type(error).__name__)
    finally:
        os.close(descriptor)
    return None


@cache
def _warn_about_sync(folder: Path, reason: str) -> None:
    """Warns once for each folder: after a power failure a file in it may be the former one."""
    warnings.warn(
        f"Got a folder that cannot be synchronized, {folder} ({reason}); files are written, but a "
        "power failure may bring back their former contents.",
        UserWarning,
        stacklevel=4,  # the caller of write_atomically
    )
