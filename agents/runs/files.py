"""Texts, JSON documents and logs as files; every write in this package goes through here."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lm_envs.storage import write_atomically


def write_text(path: Path, text: str) -> None:
    """Writes a UTF-8 text file."""
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def write_json(path: Path, value: object) -> None:
    """Writes one JSON document, indented, characters as they are."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False) + "\n")


def write_jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes one JSON object a line."""
    write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def append_jsonl(path: Path, row: Mapping[str, Any]) -> None:
    """Adds one line to a log."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row, ensure_ascii=False) + "\n")
