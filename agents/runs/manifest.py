"""The manifest of a run's checkpoints: size and SHA-256 of each, by which damage is recognized.

Owns checkpoints.json. It names a file's new content before the file is replaced, so that a kill
between the two leaves a file that the manifest lists. Knows nothing of what a checkpoint holds.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from agents.config.loading import UserError
from agents.runs.files import write_json
from lm_envs.storage import write_atomically
from lm_envs.validation import first_line

MANIFEST = "checkpoints.json"
CHECKPOINTS = {"last": "checkpoint.pt", "best": "best.pt"}
"""Files of a run folder by the value of `--checkpoint`."""

CHECKPOINT_HELP = "last, or best by held-out reward"
"""Help text of `--checkpoint` in commands that read a run."""


class DamagedError(ValueError):
    """A file whose content is not the one in the manifest."""


def write_listed(path: Path, write: Callable[[Path], object], facts: Mapping[str, Any]) -> None:
    """Writes a file atomically and lists it in the manifest of its folder, which has to exist.

    A folder that was deleted or moved during a run is not made again.

    Args:
        path: Final path.
        write: Writes the whole content to the path that it receives.
        facts: JSON values that the manifest holds about it, such as the step.
    """
    entry: dict[str, Any] = {}

    def write_and_list(temporary: Path) -> None:
        try:
            write(temporary)
        except (RuntimeError, SafetensorError) as error:  # torch's and safetensors' of a full disk
            raise OSError(f"Got an error while writing {path}: {first_line(error)}") from None
        entry.update({"bytes": temporary.stat().st_size, "sha256": file_hash(temporary)}, **facts)
        listed = _read(path.parent)
        _write(path.parent, {**listed, path.name: [entry, *listed.get(path.name, [])]})

    write_atomically(path, write_and_list, makes_folder=False)
    _write(path.parent, {**_read(path.parent), path.name: [entry]})


def check(path: Path) -> None:
    """Checks the content of a file; one that is not listed, of an older version, passes.

    Raises:
        DamagedError: If its size or SHA-256 is not the listed one.
    """
    entries = _read(path.parent).get(path.name)
    if entries is None:
        return
    size = path.stat().st_size
    if size not in [entry["bytes"] for entry in entries]:
        raise DamagedError(f"it has {size} bytes, but {MANIFEST} lists {entries[0]['bytes']}")
    if file_hash(path) not in [entry["sha256"] for entry in entries]:
        raise DamagedError(f"its SHA-256 is not the one in {MANIFEST}")


def facts(path: Path) -> dict[str, Any]:
    """Returns what the manifest holds about a file; empty if it or the file is missing."""
    entries = _read(path.parent).get(path.name) if path.is_file() else None
    return dict(entries[0]) if entries else {}


def remedy(path: Path) -> str:
    """Returns the advice for a damaged checkpoint: the intact one beside it, if there is one."""
    for choice, name in CHECKPOINTS.items():
        other = path.with_name(name)
        if other == path or path.name not in CHECKPOINTS.values() or not facts(other):
            continue
        try:
            check(other)
        except DamagedError:
            continue
        return f"{name} of step {facts(other)['step']} is intact, take it by --checkpoint {choice}"
    return "restore it from a copy, or begin another run"


def remove(folder: Path, pattern: str, keep: str | None) -> None:
    """Deletes the listed files that match a pattern, except `keep`, and their entries."""
    listed = _read(folder)
    unused = [name for name in listed if fnmatch(name, pattern) and name != keep]
    for name in unused:
        (folder / name).unlink(missing_ok=True)
    if unused:
        _write(folder, {name: each for name, each in listed.items() if name not in unused})


def file_hash(path: Path) -> str:
    """Returns the SHA-256 of a file's content, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(folder: Path) -> dict[str, list[dict[str, Any]]]:
    path = folder / MANIFEST
    if not path.is_file():
        return {}
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))
        if any(Path(name).name != name for name in listed):
            raise ValueError("a path that leads out of the folder")
        for entry in (entry for entries in listed.values() for entry in entries):
            _ = entry["sha256"], entry["bytes"], entry["step"]  # what the functions above read
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        raise UserError(
            f"Got a damaged {path}; delete it: checkpoints are then loaded without their SHA-256."
        ) from None
    return listed


def _write(folder: Path, listed: Mapping[str, Any]) -> None:
    write_json(folder / MANIFEST, listed, makes_folder=False)
