"""Where examples come from: embedded, a JSONL, CSV, TSV or text file, or a hub dataset.

Owns reading and checking rows of text. Knows nothing of prompts, tokens or scores.
"""

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from lm_envs.tasks.splits import SPLITS, Part, split_of
from lm_envs.validation import check_choice

MAX_BYTES = 2**30
_FORMATS = ".txt, .jsonl, .csv or .tsv"

Row = tuple[str, dict[str, Any]]
"""Where a row stands, for error messages, and its fields."""


def read_texts(dataset: str, split: str, column: str = "text") -> list[str]:
    """The texts of one split, in file order; see `read_rows`."""
    return [row["text"][0] for row in read_rows(dataset, split, {"text": column}, "prose")]


def read_rows(
    dataset: str,
    split: str | None,
    columns: Mapping[str, str],
    embedded: str,
    where: Mapping[str, str] | None = None,
) -> list[dict[str, tuple[str, ...]]]:
    """The rows of one split, in file order: by each name the texts of its column, one or more.

    Args:
        dataset: "embedded", a .txt (paragraphs, or lines where there is no blank line), .jsonl,
            .csv or .tsv file, or the name of a hub dataset.
        split: "train", "validation" or "test", or a part of one, such as "validation[:25%]", whose
            rows are chosen by a hash of their first text; see `Part`. None for all rows of a file,
            and for "train" of a hub dataset, which is asked for whole splits. Rows without a
            "split" field are divided 90/5/5 by that hash.
        columns: Field that holds the texts of each name: a text, a list of texts, or an object with
            a list "text", as SQuAD writes answers.
        embedded: Name of the embedded file that "embedded" stands for.
        where: Fields that must have this value in rows that hold them.

    Raises:
        ValueError: Naming file and line, what was got, what is allowed and the remedy.
    """
    part = Part("train") if split is None else Part.parse(split)
    found = []
    for place, row in _rows(dataset, part.name, embedded, ", ".join(columns.values())):
        if any(row.get(name, value) != value for name, value in (where or {}).items()):
            continue
        texts = {name: _texts(row, column, place) for name, column in columns.items()}
        own = row.get("split") or split_of(_first(texts))
        check_choice(f"split at {place}", own, SPLITS)
        if split is None or part.name == own:
            found.append(texts)
    if not found:
        wanted = "".join(f" with {name}={value!r}" for name, value in (where or {}).items())
        raise ValueError(
            f"Got no text in split {split!r} of {dataset}{wanted}; use another split, or mark rows "
            'with a "split" field.'
        )
    return part.take(found, _first)


def column_names(columns: Mapping[str, str] | None, *names: str) -> dict[str, str]:
    """Field of each name: what `columns` says, or the name itself.

    Raises:
        ValueError: If `columns` speaks of another name.
    """
    for name in columns or {}:
        check_choice("name in columns", name, names)
    return {name: (columns or {}).get(name, name) for name in names}


def _rows(dataset: str, split: str, embedded: str, columns: str) -> Iterator[Row]:
    if dataset == "embedded":
        file = resources.files("lm_envs") / "assets" / "examples" / f"{embedded}.jsonl"
        return _jsonl(file.read_text(encoding="utf-8"), f"embedded {embedded}")
    path = Path(dataset).expanduser()
    if path.suffix.lower() in _READERS:
        return _READERS[path.suffix.lower()](_content(path), str(path))
    if path.exists() or dataset.startswith((".", "/", "~")):
        raise ValueError(f"Got dataset {dataset!r}; allowed: a file ending in {_FORMATS}.")
    return _hub(dataset, split, columns)


def _content(path: Path) -> str:
    if not path.is_file():
        raise ValueError(f"Got no file {path}; allowed: 'embedded' or a file in {_FORMATS}.")
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"Got {path} of {path.stat().st_size} bytes; allowed: {MAX_BYTES}.")
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ValueError(
            f"Got bytes that are no UTF-8 at {path} line {line}; save the file as UTF-8."
        ) from None


def _jsonl(content: str, name: str) -> Iterator[Row]:
    for number, line in enumerate(content.split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{name} line {number}"
        try:
            row = json.loads(line)
        except ValueError as error:
            raise ValueError(
                f"Got a broken line at {where} ({error}); each line must be one whole JSON object."
            ) from None
        if not isinstance(row, dict):
            raise ValueError(f"Got {type(row).__name__} at {where}; allowed: a JSON object.")
        yield where, row


def _text_file(content: str, name: str) -> Iterator[Row]:
    blank = re.search(r"\n[ \t\r]*\n", content.strip())
    pattern = r"\n[ \t\r]*\n" if blank else r"\n"
    line = 1
    for part in re.split(f"({pattern})", content):
        if part.strip():
            yield f"{name} line {line}", {"text": " ".join(part.split())}
        line += part.count("\n")


def _table(content: str, name: str, delimiter: str) -> Iterator[Row]:
    reader = csv.DictReader(io.StringIO(content, newline=""), delimiter=delimiter, strict=True)
    usual = csv.field_size_limit(MAX_BYTES)  # of the whole process: as it was when all is read
    try:
        _check_header(reader.fieldnames or (), name)
        rows = [(f"{name} line {reader.line_num}", row) for row in reader]
    except csv.Error as error:
        line = reader.reader.line_num  # the reader's own counts whole rows
        raise ValueError(f"Got a broken table at {name} line {line}: {error}.") from None
    finally:
        csv.field_size_limit(usual)
    for where, row in rows:
        if None in row or None in row.values():
            raise ValueError(
                f"Got {where} with more or fewer cells than the header "
                f"{reader.fieldnames}; quote texts that hold the delimiter."
            )
        yield where, row


def _check_header(columns: Sequence[str], name: str) -> None:
    """Refuses two columns of one name; those without a name cannot be asked for."""
    for column in columns:
        if column and columns.count(column) > 1:
            raise ValueError(
                f"Got {columns.count(column)} columns {column!r} in the header of {name}; give "
                "each a name of its own."
            )


def _hub(dataset: str, split: str, columns: str) -> Iterator[Row]:
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
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"Got dataset={dataset!r} split={split!r}, which the hub did not give ({reason}); "
            f"check the name on line, or save its columns ({columns}) to a file in {_FORMATS}."
        ) from None
    return ((f"{dataset} row {number}", {**row, "split": split}) for number, row in enumerate(rows))


def _texts(row: dict[str, Any], column: str, where: str) -> tuple[str, ...]:
    if column not in row:
        raise ValueError(f"Got no column {column!r} at {where}; it has {', '.join(row)}.")
    value = row[column]
    texts = value.get("text") if isinstance(value, dict) else value
    checked: list[str] = []
    for text in texts if isinstance(texts, list) else [texts]:
        if not isinstance(text, str) or not text.strip():
            raise ValueError(
                f"Got {column}={text!r} at {where}; allowed: a text that is not empty."
            )
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise ValueError(f"Got a lone surrogate in {column!r} at {where}; write valid Unicode.")
        checked.append(text)
    if not checked:
        raise ValueError(f"Got {column}=[] at {where}; allowed: at least one text.")
    return tuple(checked)


def _first(texts: Mapping[str, tuple[str, ...]]) -> str:
    return next(iter(texts.values()))[0]


_READERS = {
    ".txt": _text_file,
    ".jsonl": _jsonl,
    ".csv": lambda content, name: _table(content, name, ","),
    ".tsv": lambda content, name: _table(content, name, "\t"),
}
