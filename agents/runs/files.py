"""Texts, JSON and YAML documents, bytes and logs as files.

Owns their encoding; whole files are written through `lm_envs.storage.write_atomically`.
"""

import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from lm_envs.storage import write_atomically


def write_text(path: Path, text: str, *, makes_folder: bool = True) -> None:
    """Writes a UTF-8 text file; see `write_atomically`."""
    write_atomically(
        path,
        lambda temporary: temporary.write_text(text, encoding="utf-8"),
        makes_folder=makes_folder,
    )


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a binary file."""
    write_atomically(path, lambda temporary: temporary.write_bytes(content))


def copy_file(source: Path, path: Path) -> None:
    """Copies a file, whose copy appears at `path` only once it is complete."""
    write_atomically(path, lambda temporary: shutil.copy(source, temporary))


def write_json(path: Path, value: object, *, makes_folder: bool = True) -> None:
    """Writes one JSON document, indented, without escaping characters outside ASCII."""
    text = json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False) + "\n"
    write_text(path, text, makes_folder=makes_folder)


def write_yaml(path: Path, values: Mapping[str, Any]) -> None:
    """Writes plain values as YAML, in their order, without escaping characters outside ASCII."""
    write_text(path, yaml.safe_dump(values, sort_keys=False, allow_unicode=True))


def write_jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes one JSON object per line."""
    write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def check_writable(folder: Path) -> None:
    """Checks that files can be written to a folder, before the work whose result they will hold.

    Raises:
        OSError: If not; the message names the folder.
    """
    try:
        write_text(folder / "writable", "")
        (folder / "writable").unlink()
    except OSError as error:
        raise OSError(
            f"Got {folder}, where nothing can be written ({error.strerror}); choose another folder."
        ) from None


def append_jsonl(path: Path, row: Mapping[str, Any]) -> None:
    """Appends one line to a log; not atomic, so readers skip an incomplete last line."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row, ensure_ascii=False) + "\n")
