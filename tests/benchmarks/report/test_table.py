import io

from rich.console import Console

from benchmarks.report.table import make_table, result_table
from tests.benchmarks.results import make_result, make_row


def text(table):
    console = Console(width=200, file=io.StringIO(), record=True)
    console.print(table)
    return console.export_text()


def test_table_has_the_columns_of_its_rows_in_the_order_of_the_formats():
    table = make_table("t", [{"b": 1}, {"a": 2.0}], {"a": "{:.1f}", "b": "{}", "c": "{}"})
    assert [column.header for column in table.columns] == ["a", "b"]
    assert [list(column.cells) for column in table.columns] == [["", "2.0"], ["1", ""]]


def test_ratio_that_is_too_noisy_is_an_empty_cell():
    table = make_table("t", [{"speedup": None}], {"speedup": "{:.2f} x"})
    assert list(table.columns[0].cells) == [""]


def test_result_table_has_units_and_hides_internal_values():
    shown = text(result_table(make_result(make_row(rate=1234.0, is_noisy=False))))
    assert "throughput on A" in shown
    assert "tokens/s" in shown
    assert "1,234" in shown
    assert "noisy" not in shown
