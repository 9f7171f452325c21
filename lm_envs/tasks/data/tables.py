"""Rows of CSV and TSV text: one dict of cells by column for each line after the header.

Owns cells, quoting and the check of the header. Knows nothing of files, splits or columns of tasks.
"""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from typing import Any

MAX_CELL_CHARACTERS = 2**30

# Whole cell in quotes, and every quote inside it doubled.
_QUOTED_CELL = re.compile(r'"((?:[^"]|"")*)"')
_SEPARATORS = (",", ";", "\t", "|")
_LINE_END = re.compile(r"\r\n|\n|\r")

TableRow = tuple[str, dict[str, Any]]
"""File and line of a row, for error messages, and its cells by column."""


def csv_rows(content: str, name: str, has_header: bool = True) -> Iterator[TableRow]:
    """Yields the rows of CSV text. A cell in quotes may contain separators and line ends.

    The separator is a comma, or the semicolon, tab or bar that divides the first line.

    Args:
        content: Text of the file.
        name: Name of the file, for error messages.
        has_header: Whether the first line names the columns; else they are "0", "1", ….

    Raises:
        ValueError: If quotes are unbalanced, two columns have the same name, or a row has more or
            fewer cells than the header.
    """
    separator = _separator(content)
    columns = None
    if not has_header:
        file = io.StringIO(content, newline="")
        columns = _numbers(next(csv.reader(file, delimiter=separator), []))
    reader = csv.DictReader(
        io.StringIO(content, newline=""), columns, strict=True, delimiter=separator
    )
    # The limit belongs to the whole process, so it is restored when the rows are read. The default
    # of 131,072 characters is too small for long documents.
    previous_limit = csv.field_size_limit(MAX_CELL_CHARACTERS)
    try:
        _check_header(reader.fieldnames or (), name)
        rows = [(f"{name} line {reader.line_num}", row) for row in reader]
    except csv.Error as error:
        line = reader.reader.line_num  # DictReader.line_num counts whole rows
        raise ValueError(f"Got a broken table at {name} line {line}: {error}.") from None
    finally:
        csv.field_size_limit(previous_limit)
    for location, row in rows:
        if None in row or None in row.values():
            raise _cells_error(location, reader.fieldnames or (), "quote texts that hold a comma")
        yield location, row


def tsv_rows(content: str, name: str, has_header: bool = True) -> Iterator[TableRow]:
    """Yields the rows of TSV text. A line is a row, and a tab always separates two cells.

    Quotes are characters of the text, as in the files of Tatoeba and PAWS-X, unless they enclose a
    whole cell in which all other quotes are doubled. Such a cell is unquoted.

    Args:
        content: Text of the file.
        name: Name of the file, for error messages.
        has_header: Whether the first line names the columns; else they are "0", "1", ….

    Raises:
        ValueError: If two columns have the same name, or a row has more or fewer cells than the
            header.
    """
    header: list[str] | None = None
    for number, line in enumerate(_LINE_END.split(content), start=1):
        if not line:
            continue
        cells = [_unquoted(cell) for cell in line.split("\t")]
        if header is None:
            header = cells if has_header else _numbers(cells)
            _check_header(header, name)
            if has_header:
                continue
        location = f"{name} line {number}"
        if len(cells) != len(header):
            raise _cells_error(location, header, "replace tabs and line ends in texts by spaces")
        yield location, dict(zip(header, cells, strict=True))


def _separator(content: str) -> str:
    """The separator that is most frequent in the first line, outside of quotes; a comma if none."""
    first = _LINE_END.split(content.lstrip("\r\n"), maxsplit=1)[0]
    plain = _QUOTED_CELL.sub("", first)
    return max(_SEPARATORS, key=plain.count)  # of equally many the first


def _numbers(cells: Sequence[str]) -> list[str]:
    return [str(number) for number in range(len(cells))]


def _unquoted(cell: str) -> str:
    quoted = _QUOTED_CELL.fullmatch(cell)
    return quoted[1].replace('""', '"') if quoted else cell


def _cells_error(location: str, header: Sequence[str], remedy: str) -> ValueError:
    return ValueError(
        f"Got {location} with more or fewer cells than the header {list(header)}; {remedy}."
    )


def _check_header(columns: Sequence[str], name: str) -> None:
    """Raises if two columns have the same name; columns without a name cannot be selected."""
    for column in columns:
        if column and columns.count(column) > 1:
            raise ValueError(
                f"Got {columns.count(column)} columns {column!r} in the header of {name}; give "
                "each a name of its own."
            )
