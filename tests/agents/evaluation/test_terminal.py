from rich.table import Table

from agents.evaluation.terminal import print_table


def test_a_table_wider_than_the_terminal_is_not_cut(capsys, monkeypatch):
    """Regression: at 80 columns values ended in "…"."""
    monkeypatch.setenv("COLUMNS", "80")
    table = Table()
    for number in range(12):
        table.add_column(f"a score with a long name {number}")
    table.add_row(*(f"0.123 (0.{number:03} … 0.999)" for number in range(100, 112)))
    print_table(table)
    shown = capsys.readouterr().out
    assert all(f"0.123 (0.{number:03} … 0.999)" in shown for number in range(100, 112))
    assert "a score with a long name 11" in shown
