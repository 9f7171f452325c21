import pytest

from lm_envs.tasks.data.tables import csv_rows, tsv_rows
from lm_envs.tasks.datasets import read_rows


def cells(rows):
    return [tuple(row.values()) for _, row in rows]


def test_an_unbalanced_quote_of_a_tsv_file_is_a_character_of_its_text(tmp_path):
    """Regression: all rows from one such quote to the next were merged into one."""
    lines = ["source\ttarget", '"Hello\tBonjour', *(f"a{n}\tb{n}" for n in range(9)), 'Bye"\tAdieu']
    path = tmp_path / "a.tsv"
    path.write_text("\n".join(lines))
    columns = {"source": "source", "target": "target"}
    rows = read_rows(str(path), None, columns, "")
    assert len(rows) == 11
    assert (rows[0].text("source"), rows[-1].text("source")) == ('"Hello', 'Bye"')


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ('"a, b"', "a, b"),
        ('"so ""he"" said"', 'so "he" said'),
        ('"a" and "b"', '"a" and "b"'),
        ('"', '"'),
        ('5" of "x"', '5" of "x"'),
        ("a\u2028b\x85c", "a\u2028b\x85c"),
    ],
)
def test_a_tsv_cell_is_unquoted_only_if_all_of_it_is_quoted(cell, text):
    assert cells(tsv_rows(f"x\ty\r\n{cell}\t1\r\n\r\n", "a.tsv")) == [(text, "1")]


def test_a_quoted_csv_cell_may_contain_commas_and_line_ends():
    assert cells(csv_rows('x,y\n"a, ""b""\nc",1\n', "a.csv")) == [('a, "b"\nc', "1")]


@pytest.mark.parametrize(
    ("rows", "content", "message"),
    [
        (tsv_rows, "x\ty\na\tb\nc\n", r"a line 3 with more or fewer cells .*'y'\]; replace tabs"),
        (tsv_rows, "x\tx\n", "2 columns 'x' in the header of a"),
        (csv_rows, "x,y\na,b,c\n", "a line 2 with more or fewer cells .*; quote texts"),
    ],
)
def test_a_row_unlike_its_header_is_refused_with_its_line(rows, content, message):
    with pytest.raises(ValueError, match=message):
        list(rows(content, "a"))
