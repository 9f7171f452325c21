"""Rows of text from the embedded examples, a file, a folder of texts, or a hub dataset.

Owns the check of rows and their splits. Knows nothing of prompts, tokens or scores.
"""

import json
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from typing import Any

from lm_envs.tasks.data.files import (
    FORMATS,
    RawRow,
    can_read,
    jsonl_rows,
    path_and_encoding,
    raw_rows,
)
from lm_envs.tasks.data.hub import hub_rows
from lm_envs.tasks.splits import SPLIT_NAMES, SplitSpec, split_of
from lm_envs.validation import check_choice, first_line

EMBEDDED = "embedded"
"""Name of the dataset that is part of this package."""


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
        dataset: "embedded", a file or folder (see `data.files`), with its encoding behind a colon
            if it is not UTF-8, or the name of a hub dataset.
        split: A split, or a part of one (`SplitSpec`), taken by a hash of the rows' first text
            before rows with the same prompt are merged. None for all rows of a file, or for "train"
            of a hub dataset. Rows without a field "split" are split 90/5/5 by that hash, with a
            warning if that leaves one row.
        columns: Field of each name in `Row.texts`: a text, a list, or an object with a list "text";
            "a.b" is a field of an object, "0", "1", … are columns of a table without a header. Rows
            with an empty one are left out, with a warning.
        embedded: Name of the embedded file that is read for dataset "embedded".
        filters: Values by field. A row that has such a field with another value is left out.

    Raises:
        ValueError: If a row is malformed, or no row is left.
    """
    spec = SplitSpec("train") if split is None else SplitSpec.parse(split)
    rows, empty, hashed = list[Row](), Counter[str](), Counter[str | None]()
    found = _raw_rows(dataset, spec.name, embedded, columns)
    for raw, row in _usable_rows(found, columns, filters, empty):
        part = split and _split(raw, row)
        hashed[None if raw.get("split") else part] += 1
        if part in (None, spec.name):
            rows.append(row)
    left_out = " and ".join(f"{n} with an empty {column!r}" for column, n in empty.items())
    if not rows:
        raise _no_rows_error(dataset, split, filters or {}, left_out)
    if left_out:
        warnings.warn(f"Left out rows of {dataset}: {left_out}.", UserWarning, stacklevel=2)
    _warn_of_one_row(dataset, spec.name, hashed)
    return spec.select(rows, _first_text)


def _usable_rows(
    raw_rows: Iterable[RawRow],
    columns: Mapping[str, str],
    filters: Mapping[str, str] | None,
    empty: Counter[str],
) -> Iterator[tuple[dict[str, Any], Row]]:
    """Yields rows as read and checked; counts those that are left out in `empty`, by column."""
    used = {*columns.values(), *(column.split(".")[0] for column in columns.values()), "split", ""}
    for location, raw in raw_rows:
        if any(raw.get(name, value) != value for name, value in (filters or {}).items()):
            continue
        row = _checked_row(raw, columns, used, location)
        if isinstance(row, str):
            empty[row] += 1
        else:
            yield raw, row


def _split(raw: Mapping[str, Any], row: Row) -> str:
    own_split = raw.get("split") or split_of(_first_text(row))
    check_choice(f"split at {row.location}", own_split, SPLIT_NAMES)
    return SPLIT_NAMES[own_split]


def _warn_of_one_row(dataset: str, split: str, hashed: Counter[str | None]) -> None:
    """Warns if the hash leaves one row in a split; `hashed[None]` counts rows without a hash."""
    if None in hashed or hashed[split] != 1:
        return
    counts = ", ".join(f"{name} {hashed[name]}" for name in ("train", "validation", "test"))
    warnings.warn(
        f"Got one row in split {split!r} of {dataset}, whose rows were divided by a hash "
        f'({counts}): nothing can be measured by one example. Mark rows with a field "split", or '
        "divide a split by shares, such as split='train[:80%]' and 'train[80%:]'.",
        UserWarning,
        stacklevel=3,
    )


def resolve_columns(columns: Mapping[str, str] | None, names: Sequence[str]) -> dict[str, str]:
    """Returns the field of each name: the one that `columns` gives, or the name itself.

    Raises:
        ValueError: If `columns` has a key that is not in `names`.
    """
    for name in columns or {}:
        check_choice("name in columns", name, names)
    return {name: (columns or {}).get(name, name) for name in names}


def _no_rows_error(
    dataset: str, split: str | None, filters: Mapping[str, str], left_out: str
) -> ValueError:
    wanted = "".join(f" with {name}={value!r}" for name, value in filters.items())
    return ValueError(
        f"Got no text in split {split!r} of {dataset}{wanted}"
        f"{f' (left out: {left_out})' if left_out else ''}; use another split, or mark rows with a "
        '"split" field.'
    )


def _raw_rows(
    dataset: str, split: str, embedded: str, columns: Mapping[str, str]
) -> Iterator[RawRow]:
    if dataset == EMBEDDED:
        return iter(_embedded_rows(embedded))
    try:
        path, encoding = path_and_encoding(dataset)
        is_local = can_read(path) or path.exists() or dataset.startswith((".", "/", "~"))
    except OSError as error:
        raise ValueError(f"Got dataset={dataset[:60]!r}: {first_line(error)}.") from None
    if can_read(path):
        has_header = not all(column.isdecimal() for column in columns.values())
        return raw_rows(path, has_header=has_header, encoding=encoding)
    if is_local:
        raise ValueError(f"Got dataset {dataset!r}; allowed: a file ending in {FORMATS}.")
    return hub_rows(dataset, split, ", ".join(columns.values()))


@lru_cache(maxsize=8)
def _embedded_rows(name: str) -> tuple[RawRow, ...]:
    """Returns the rows of an embedded file, read once: many environments are made of the same."""
    file = resources.files("lm_envs") / "assets" / "examples" / f"{name}.jsonl"
    return tuple(jsonl_rows(file.read_text(encoding="utf-8"), f"embedded {name}"))


def _checked_row(
    raw: dict[str, Any], columns: Mapping[str, str], used: Set[str], location: str
) -> Row | str:
    """Returns the row, with the fields that are not `used`, or the name of the empty column."""
    texts = {name: _texts(raw, column, location) for name, column in columns.items()}
    for name, column in columns.items():
        if not texts[name]:
            return column
    others = {name: value for name, value in raw.items() if name not in used}
    return Row(texts, others, location)


def _texts(row: dict[str, Any], column: str, location: str) -> tuple[str, ...]:
    """Returns the texts of a field, without those that are empty."""
    value = _field(row, column, location)
    if isinstance(value, str):
        return (_as_text(value, column, location),) if value.strip() else ()
    texts = value.get("text") if isinstance(value, dict) else value
    found = [_as_text(each, column, location) for each in _as_list(texts)]
    return tuple(text for text in found if text.strip())


def _field(row: dict[str, Any], column: str, location: str) -> Any:  # noqa: ANN401 - as read
    """Returns the value of a field; "translation.en" is the field "en" of an object."""
    if column in row:
        return row[column]
    value: Any = row
    for part in column.split("."):
        if not isinstance(value, dict) or part not in value:
            raise ValueError(
                f"Got no column {column!r} at {location}; it has {', '.join(_names(row))}. Name "
                "the column to use by columns={...} (for next words by column=...); number the "
                'columns of a table without a header, "0", "1", ….'
            )
        value = value[part]
    return value


def _names(row: Mapping[str, Any]) -> list[str]:
    """Names of the fields, and with a dot those of fields that are objects."""
    inner = [
        f"{name}.{each}" for name, value in row.items() if isinstance(value, dict) for each in value
    ]
    return [*(name for name, value in row.items() if not isinstance(value, dict)), *inner]


def _as_list(value: Any) -> list[Any]:  # noqa: ANN401 - a value of a row
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _as_text(value: Any, column: str, location: str) -> str:  # noqa: ANN401 - a value of a row
    """Returns a text; a number or a boolean, such as a label, as JSON writes it."""
    if value is None:
        return ""
    if isinstance(value, (bool, int, float)):
        return json.dumps(value)
    if not isinstance(value, str):
        raise ValueError(f"Got {column}={value!r} at {location}; allowed: a text or a number.")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError(
            f"Got a lone surrogate in {column!r} at {location}; write valid Unicode."
        ) from None
    return value


def _first_text(row: Row) -> str:
    return next(iter(row.texts.values()))[0]
