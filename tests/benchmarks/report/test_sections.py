import pytest

from benchmarks.report.compare import compare
from benchmarks.report.sections import comparison_section, format_value, make_section
from tests.benchmarks.results import MACHINE, make_result, make_row

DETAILS = {"memory_gib": 24, "instructions": "AVX512", "python": "3.11", "date": "2026-11-23"}
DETAILS["versions"] = {"torch": "2.13"}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1234.5, "1,234"),
        (7, "7"),
        (1.234, "1.23"),
        (0.01234, "0.0123"),
        (None, ""),
        (True, "True"),
        ("x", "x"),
    ],
)
def test_values_have_three_significant_digits(value, text):
    assert format_value(value) == text


def test_benchmark_has_a_table_with_spread_and_a_picture():
    document = make_result(make_row(rate=50.0, is_noisy=False), machine=MACHINE | DETAILS)
    section = make_section("throughput.json", document, {})
    assert section.title == "throughput, embedded"
    row = dict(zip(section.header, section.rows[0], strict=True))
    assert row["tokens per s"] == "50.00"
    assert row["spread"] == "2.0%"
    assert "is noisy" not in row
    assert len(section.pictures) == 1


def test_other_documents_are_shown_as_values():
    section = make_section("other.json", {"steps": 3}, {})
    assert (section.title, section.values, section.rows) == ("other.json", {"steps": 3}, [])


def test_comparison_starts_with_the_largest_slowdown_and_names_missing_rows():
    old = make_result(make_row(rate=100), make_row("engine", rate=100))
    new = make_result(make_row(rate=100), make_row("engine", rate=50))
    section = comparison_section(compare([old], [new], 0.1), ["a row"], 0.1)
    assert [row[1] for row in section.rows] == ["slower", "same"]
    assert section.lines == [
        "1 slower, 0 faster, 1 same, 0 too noisy.",
        "Not measured again: a row.",
    ]
