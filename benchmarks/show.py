"""A result on the terminal: a table for people, then one line of JSON for programs."""

import json
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.results import Comparison, Document, Row


def show(result: Document, path: Path) -> None:
    """Prints tables by section; the last line is the whole document as JSON."""
    console = Console()
    for section in dict.fromkeys(row.section for row in result.rows):
        console.print(_rows([row for row in result.rows if row.section == section], section))
    if result.comparisons:
        console.print(_comparisons(result.comparisons))
    console.print(f"written to {path}", soft_wrap=True)
    typer.echo(json.dumps(result.model_dump(), ensure_ascii=False))


def figure(value: float) -> str:
    """Three significant digits, thousands separated."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def label_text(labels: dict[str, str | int]) -> str:
    """Conditions of a row in one line."""
    return ", ".join(f"{name} {value}" for name, value in labels.items())


def rate_text(row: Row) -> str:
    """Median and quartiles with unit, or why there are none."""
    if row.median is None or row.low is None or row.high is None:
        return f"– ({row.note})"
    noisy = ", noisy" if row.is_noisy else ""
    return f"{figure(row.median)} {row.unit} [{figure(row.low)}, {figure(row.high)}{noisy}]"


def details_text(row: Row) -> str:
    """Further figures in one line."""
    return ", ".join(
        f"{name} {value if isinstance(value, str) else figure(value)}"
        for name, value in row.details.items()
    )


def ratio_text(comparison: Comparison) -> str:
    """The ratio with its quartiles, or that it is too noisy for a verdict."""
    spread = f"[{comparison.low:.2f}, {comparison.high:.2f}]"
    if comparison.is_noisy:
        return f"noisy {spread}"
    return f"{comparison.ratio:.2f}x {spread}"


def _rows(rows: list[Row], section: str) -> Table:
    table = Table(title=section, title_justify="left")
    for name in ("name", "conditions", "median [quartiles]", "details"):
        table.add_column(name)
    for row in rows:
        table.add_row(row.name, label_text(row.labels), rate_text(row), details_text(row))
    return table


def _comparisons(comparisons: list[Comparison]) -> Table:
    table = Table(title="side by side, paired laps", title_justify="left")
    for name in ("ours", "rival", "conditions", "ours / rival"):
        table.add_column(name)
    for comparison in comparisons:
        labels = label_text(comparison.labels)
        table.add_row(comparison.ours, comparison.rival, labels, ratio_text(comparison))
    return table
