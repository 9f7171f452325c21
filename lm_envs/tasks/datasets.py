"""Rows of text from the embedded examples, a JSONL, CSV, TSV or text file, or a hub dataset.

Owns reading and checking rows. Knows nothing of prompts, tokens or scores.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from lm_envs.tasks.data.tables import csv_rows, tsv_rows
from lm_envs.tasks.splits import SPLITS, SplitSpec, split_of
from lm_envs.validation import check_choice, first_line

EMBEDDED = "embedded"
"""Name of the dataset that is part of this package."""

MAX_BYTES = 2**30
_FORMATS = ".txt, .jsonl, .csv or .tsv"

RawRow = tuple[str, dict[str, Any]]
"""File and line of a row, for error messages, and its fields as read."""


@dataclass(frozen=True, slots=True)
class Row:
    """One checked row of a dataset.

    Attributes:
        texts: One or more texts for each name that the task asked for.
        columns: The other fields of the row by their own names, as read. "split" is left out,
            and so are columns without a name.
        location: File and line of the row, for error messages.
    """

    texts: Mapping[str, tuple[str, ...]]
    columns: Mapping[str, Any] = field(default_factory=dict)
    location: str = field(default="", compare=False)

    def text(self, name: str) -> str:
        """Returns the only text of a name.

        Raises:
            ValueError: If there are several: all but the first would be lost without notice.
        """
        if len(self.texts[name]) > 1:
            raise ValueError(
                f"Got {len(self.texts[name])} texts as {name!r} at {self.location}; allowed: one "
                "text. Join them, or write a row for each."
            )
        return self.texts[name][0]

    def joined_text(self, name: str) -> str:
        """Returns the texts of a name, such as the paragraphs of a context, joined by spaces."""
        return " ".join(self.texts[name])


def read_texts(dataset: str, split: str, column: str = "text") -> list[str]:
    """Returns the texts of one split, in file order; see `read_rows`."""
    return [row.text("text") for row in read_rows(dataset, split, {"text": column}, "prose")]


def read_rows(
    dataset: str,
    split: str | None,
    columns: Mapping[str, str],
    embedded: str,
    filters: Mapping[str, str] | None = None,
) -> list[Row]:
    """Returns the rows of one split, in file order.

    Args:
        dataset: "embedded", a .txt (paragraphs, or lines where there is no blank line), .jsonl,
            .csv or .tsv file, or the name of a hub dataset.
        split: "train", "validation" or "test", or a part of one, such as "validation[:25%]", whose
            rows are selected by a hash of their first text; see `SplitSpec`. None for all rows of a
            file, or for "train" of a hub dataset. Rows without a "split" field are assigned to
            splits 90/5/5 by that hash.
        columns: For each name in `Row.texts` the field that holds its texts: a text, a list of
            texts, or an object with a list "text", as in the answers of SQuAD.
        embedded: Name of the embedded file that is read for dataset "embedded".
        filters: Values by field. A row that has such a field with another value is left out.

    Raises:
        ValueError: If a row is malformed, or no row is left. The message names file and line, the
            value, the allowed values and the remedy.
    """
    spec = SplitSpec("train") if split is None else SplitSpec.parse(split)
    rows = []
    for location, raw in _raw_rows(dataset, spec.name, embedded, ", ".join(columns.values())):
        if any(raw.get(name, value) != value for name, value in (filters or {}).items()):
            continue
        row = _checked_row(raw, columns, location)
        own_split = raw.get("split") or split_of(_first_text(row))
        check_choice(f"split at {location}", own_split, SPLITS)
        if split is None or spec.name == own_split:
            rows.append(row)
    if not rows:
        raise _no_rows_error(dataset, split, filters or {})
    return spec.select(rows, _first_text)


def resolve_columns(columns: Mapping[str, str] | None, names: Sequence[str]) -> dict[str, str]:
    """Returns the field of each name: the one that `columns` gives, or the name itself.

    Raises:
        ValueError: If `columns` has a key that is not in `names`.
    """
    for name in columns or {}:
        check_choice("name in columns", name, names)
    return {name: (columns or {}).get(name, name) for name in names}


def _no_rows_error(dataset: str, split: str | None, filters: Mapping[str, str]) -> ValueError:
    wanted = "".join(f" with {name}={value!r}" for name, value in filters.items())
    return ValueError(
        f"Got no text in split {split!r} of {dataset}{wanted}; use another split, or mark rows "
        'with a "split" field.'
    )


def _raw_rows(dataset: str, split: str, embedded: str, columns: str) -> Iterator[RawRow]:
    if dataset == EMBEDDED:
        file = resources.files("lm_envs") / "assets" / "examples" / f"{embedded}.jsonl"
        return _jsonl(file.read_text(encoding="utf-8"), f"embedded {embedded}")
    path = Path(dataset).expanduser()
    if path.suffix.lower() in _READERS:
        return _READERS[path.suffix.lower()](_file_text(path), str(path))
    if path.exists() or dataset.startswith((".", "/", "~")):
        raise ValueError(f"Got dataset {dataset!r}; allowed: a file ending in {_FORMATS}.")
    return _hub(dataset, split, columns)


def _file_text(path: Path) -> str:
    if not path.is_file():
        raise ValueError(f"Got no file {path}; allowed: 'embedded' or a file in {_FORMATS}.")
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"Got {path} of {path.stat().st_size} bytes; allowed: {MAX_BYTES}.")
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ValueError(
            f"Got bytes that are not UTF-8 at {path} line {line}; save the file as UTF-8."
        ) from None


def _jsonl(content: str, name: str) -> Iterator[RawRow]:
    for number, line in enumerate(content.split("\n"), start=1):
        if not line.strip():
            continue
        location = f"{name} line {number}"
        try:
            row = json.loads(line)
        except ValueError as error:
            raise ValueError(
                f"Got a broken line at {location} ({error}); each line must be one JSON object."
            ) from None
        if not isinstance(row, dict):
            raise ValueError(f"Got {type(row).__name__} at {location}; allowed: a JSON object.")
        yield location, row


def _text_file(content: str, name: str) -> Iterator[RawRow]:
    blank_line = re.search(r"\n[ \t\r]*\n", content.strip())
    pattern = r"\n[ \t\r]*\n" if blank_line else r"\n"
    line = 1
    for part in re.split(f"({pattern})", content):
        if part.strip():
            yield f"{name} line {line}", {"text": " ".join(part.split())}
        line += part.count("\n")


def _hub(dataset: str, split: str, columns: str) -> Iterator[RawRow]:
    try:
        from datasets import load_dataset  # type: ignore[import-not-found]  # an extra
    except ModuleNotFoundError:
        raise ValueError(
            f"Got dataset={dataset!r}, which is no local file; hub datasets need "
            f"`pip install lm_envs[data]`. Allowed without it: 'embedded' or a file in {_FORMATS}."
        ) from None
    try:
        rows: Any = load_dataset(dataset, split=split)
    except (OSError, ValueError) as error:
        reason = first_line(error)
        raise ValueError(
            f"Got dataset={dataset!r} split={split!r}, which the hub could not load ({reason}); "
            f"check the name online, or save its columns ({columns}) to a file in {_FORMATS}."
        ) from None
    return ((f"{dataset} row {number}", {**row, "split": split}) for number, row in enumerate(rows))


def _checked_row(raw: dict[str, Any], columns: Mapping[str, str], location: str) -> Row:
    texts = {name: _texts(raw, column, location) for name, column in columns.items()}
    used = {*columns.values(), "split", ""}
    others = {name: value for name, value in raw.items() if name not in used}
    return Row(texts, others, location)


def _texts(row: dict[str, Any], column: str, location: str) -> tuple[str, ...]:
    if column not in row:
        raise ValueError(f"Got no column {column!r} at {location}; it has {', '.join(row)}.")
    value = row[column]
    texts = value.get("text") if isinstance(value, dict) else value
    checked: list[str] = []
    for text in texts if isinstance(texts, list) else [texts]:
        if not isinstance(text, str) or not text.strip():
            raise ValueError(
                f"Got {column}={text!r} at {location}; allowed: a text that is not empty."
            )
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise ValueError(
                f"Got a lone surrogate in {column!r} at {location}; write valid Unicode."
            )
        checked.append(text)
    if not checked:
        raise ValueError(f"Got {column}=[] at {location}; allowed: at least one text.")
    return tuple(checked)


def _first_text(row: Row) -> str:
    return next(iter(row.texts.values()))[0]


_READERS = {
    ".txt": _text_file,
    ".jsonl": _jsonl,
    ".csv": csv_rows,
    ".tsv": tsv_rows,
}
