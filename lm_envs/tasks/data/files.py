"""Rows of files: text, JSON, tables, Parquet, folders of texts, and the same compressed by gzip.

A .txt file is divided at blank lines, or at line ends if it has no blank line. A .json file holds
an array of objects, an object with such an array as "data", or SQuAD's own form.

A file is UTF-8, or has a byte order mark, or its encoding is stated: "reviews.csv:cp1252".

Owns formats, encodings and compression. Knows nothing of the columns that a task uses.
"""

import codecs
import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lm_envs.tasks.data.tables import csv_rows, tsv_rows
from lm_envs.tasks.splits import SPLIT_NAMES

MAX_BYTES = 2**30
_LEAST_BYTES, _SAMPLE_BYTES = 200, 100_000
"""Bytes from which an encoding is guessed, at least and at most."""

FORMATS = (
    ".txt, .jsonl, .json, .csv, .tsv or .parquet, each also with .gz, or a folder of .txt files"
)
"""Description of the files that can be read, for error messages."""

BUILT = ("runs", "data")
"""Last folders of files of `python -m agents.build_dataset NAME`, to name it for a missing one."""

RawRow = tuple[str, dict[str, Any]]
"""File and line of a row, for error messages, and its fields as read."""

# The byte order marks of UTF-16 are those that Excel and PowerShell write.
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


def path_and_encoding(dataset: str) -> tuple[Path, str | None]:
    """Returns the path of a dataset, and the encoding if it is stated: "reviews.csv:cp1252".

    Raises:
        ValueError: If Python knows no such encoding.
    """
    name, _, encoding = dataset.rpartition(":")
    path = Path(name).expanduser()
    if not name or not can_read(path):
        return Path(dataset).expanduser(), None
    try:
        codecs.lookup(encoding)
    except LookupError:
        raise ValueError(
            f"Got the unknown encoding {encoding!r} in dataset={dataset!r}; allowed: a codec of "
            "Python, such as cp1252, latin-1, utf-16, gb18030 or shift_jis."
        ) from None
    return path, encoding


def can_read(path: Path) -> bool:
    """Returns whether a path is a folder, or has the ending of a format that can be read."""
    return path.is_dir() or _suffix(path) in (*_READERS, *_TABLES, ".parquet")


def raw_rows(
    path: Path, *, has_header: bool = True, encoding: str | None = None
) -> Iterator[RawRow]:
    """Yields the rows of a file or folder, unchecked.

    Args:
        path: For which `can_read` is true.
        has_header: Whether the first line of a table names its columns; else they are "0", "1", ….
        encoding: Of the text; None for UTF-8, or what a byte order mark states.

    Raises:
        ValueError: If the file is missing, too large, broken or in another encoding.
    """
    if path.is_dir():
        return _folder(path, encoding)
    suffix = _suffix(path)
    if not path.is_file():
        is_built = path.parent.parts[-2:] == BUILT
        hint = f" `python -m agents.build_dataset {path.stem}` writes it." if is_built else ""
        raise ValueError(f"Got no file {path}; allowed: 'embedded' or a file in {FORMATS}.{hint}")
    if suffix == ".parquet":
        return _parquet(path)
    if suffix in _TABLES:
        return _TABLES[suffix](_text(path, encoding), str(path), has_header)
    return _READERS[suffix](_text(path, encoding), str(path))


def jsonl_rows(content: str, name: str) -> Iterator[RawRow]:
    """Yields the objects of JSON lines; lines end at line feeds only, since texts hold others."""
    for number, line in enumerate(content.split("\n"), start=1):
        if line.strip():
            location = f"{name} line {number}"
            yield location, _object(_parse(line, location), location)


def _suffix(path: Path) -> str:
    return Path(path.name.lower().removesuffix(".gz")).suffix


def _text(path: Path, encoding: str | None) -> str:
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"Got {path} of {path.stat().st_size} bytes; allowed: {MAX_BYTES}.")
    content = path.read_bytes()
    if path.name.lower().endswith(".gz"):
        try:
            with gzip.open(path) as file:
                content = file.read(MAX_BYTES + 1)  # a small file may hold any amount of zeros
        except (OSError, EOFError) as error:
            raise ValueError(f"Got a broken {path} ({error}); compress it again.") from None
        if len(content) > MAX_BYTES:
            raise ValueError(f"Got {path}, which is larger than {MAX_BYTES} bytes unpacked.")
    if encoding is None:
        encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "utf-8")
    try:
        return content.decode(encoding)
    except LookupError as error:  # a codec that is not one of texts, such as hex
        raise ValueError(f"Got the encoding {encoding!r} of {path}: {error}.") from None
    except UnicodeError as error:
        start = error.start if isinstance(error, UnicodeDecodeError) else 0
        line = content[:start].count(b"\n") + 1
        raise ValueError(
            f"Got bytes that are not {encoding.upper()} at {path} line {line}; state the encoding, "
            f"for instance dataset='{path.name}:{_likely_encoding(content)}', or save the file as "
            "UTF-8."
        ) from None


def _likely_encoding(content: bytes) -> str:
    """Returns the encoding that charset-normalizer finds likely; that of Windows without it."""
    try:
        from charset_normalizer import from_bytes
    except ModuleNotFoundError:
        return "cp1252"
    # Of a few letters every encoding is likely.
    best = from_bytes(content[:_SAMPLE_BYTES]).best() if len(content) >= _LEAST_BYTES else None
    return "cp1252" if best is None else best.encoding


def _parse(text: str, location: str) -> Any:  # noqa: ANN401 - a JSON value
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"Got a broken line at {location} ({error}); each line must be one JSON object."
        ) from None


def _object(value: Any, location: str) -> dict[str, Any]:  # noqa: ANN401 - a JSON value
    if not isinstance(value, dict):
        raise ValueError(f"Got {type(value).__name__} at {location}; allowed: a JSON object.")
    return value


def _json(content: str, name: str) -> Iterator[RawRow]:
    """An array of objects, such an array as "data", SQuAD's articles, or JSON lines."""
    try:
        document = json.loads(content)
    except ValueError:  # several documents: JSON lines are often named .json
        yield from jsonl_rows(content, name)
        return
    except RecursionError:
        raise ValueError(f"Got a document nested too deeply in {name}; allowed: rows.") from None
    rows = document.get("data", [document]) if isinstance(document, dict) else document
    if not isinstance(rows, list):
        raise ValueError(f"Got {type(rows).__name__} in {name}; allowed: an array of objects.")
    number = 0
    for row in rows:
        for each in _questions(row) if isinstance(row, dict) and "paragraphs" in row else [row]:
            number += 1
            location = f"{name} row {number}"
            yield location, _object(each, location)


def _questions(article: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The questions of one article of SQuAD, 1.1 or 2.0, each as a row."""
    for paragraph in article["paragraphs"]:
        for question in paragraph["qas"]:
            answers = [each["text"] for each in question.get("answers", ())]
            texts = list(dict.fromkeys(answers))
            yield {
                "question": question["question"],
                "context": paragraph["context"],
                "answer": texts,
                "answers": texts,
                "id": question.get("id"),
            }


def _text_file(content: str, name: str) -> Iterator[RawRow]:
    blank_line = re.search(r"\n[ \t\r]*\n", content.strip())
    pattern = r"\n[ \t\r]*\n" if blank_line else r"\n"
    line = 1
    for part in re.split(f"({pattern})", content):
        if part.strip():
            yield f"{name} line {line}", {"text": " ".join(part.split())}
        line += part.count("\n")


def _folder(folder: Path, encoding: str | None) -> Iterator[RawRow]:
    """One row for each .txt file; a folder in between may name its split, and the last its label.

    The layout of IMDB's reviews: train/pos/1.txt is a text of "train" with the label "pos".
    """
    paths = sorted(path for path in folder.rglob("*") if _suffix(path) == ".txt")
    if not paths:
        raise ValueError(f"Got the folder {folder} without a .txt file; allowed: {FORMATS}.")
    for path in paths:
        folders = path.relative_to(folder).parts[:-1]
        row: dict[str, Any] = {"text": " ".join(_text(path, encoding).split())}
        splits = [part for part in folders if part.lower() in SPLIT_NAMES]
        labels = [part for part in folders if part not in splits]
        row |= {"split": splits[0].lower()} if splits else {}
        row |= {"label": labels[-1]} if labels else {}
        yield str(path), row


def _parquet(path: Path) -> Iterator[RawRow]:
    try:
        from pyarrow import parquet  # type: ignore[import-not-found]  # of an extra
    except ModuleNotFoundError:
        raise ValueError(
            f"Got {path}; reading .parquet needs `pip install lm_envs[data]`. Or save it as .jsonl."
        ) from None
    try:
        rows: Any = parquet.read_table(path).to_pylist()
    except (OSError, ValueError) as error:
        raise ValueError(f"Got an unreadable {path} ({error}); save it again.") from None
    return ((f"{path} row {number}", row) for number, row in enumerate(rows, start=1))


_READERS = {".txt": _text_file, ".jsonl": jsonl_rows, ".ndjson": jsonl_rows, ".json": _json}
_TABLES = {".csv": csv_rows, ".tsv": tsv_rows}
