"""Sections of a report: text, a table and pictures for each result.

Owns the content of a section. Knows nothing of HTML, Markdown or the file system.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agents.evaluation.report import INTERVALS, policy_cells
from benchmarks.harness.timing import NOISY
from benchmarks.report.compare import METRICS, ROW_KEY, Change, find_metric, is_benchmark
from benchmarks.report.plots import Bar, bars

_HIDDEN = ("repeats", "is_noisy")
_HEADERS = {"median": "median, s", "iqr": "spread"}


@dataclass(frozen=True, slots=True)
class Section:
    """One result.

    Attributes:
        title: Heading.
        lines: Paragraphs below the heading.
        command: Command that repeats the measurement; empty if unknown.
        header: Names of the columns; empty if there is no table.
        rows: Cells; the first cell names the row. Text after a line break in a cell is shown small.
        caption: Caption of the table.
        pictures: PNG bytes by caption.
        values: Values that have no table, shown as JSON.
    """

    title: str
    lines: list[str]
    command: str = ""
    header: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    caption: str = ""
    pictures: Mapping[str, bytes] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)


def make_section(name: str, document: Mapping[str, Any], pictures: Mapping[str, bytes]) -> Section:
    """The section of a benchmark, an evaluation, or any other JSON document.

    Args:
        name: Title of a document that is no benchmark.
        document: A JSON document.
        pictures: PNG bytes by caption, shown in the section.
    """
    if is_benchmark(document):
        return _benchmark(document, pictures)
    if "policies" in document:
        header, rows = policy_cells(document["policies"])
        counts = [f"{document['prompts']} prompts, agent seeds: {document['seeds']}."]
        return Section(name, counts, "", header, rows, INTERVALS, pictures)
    return Section(name, [], pictures=pictures, values=document)


def comparison_section(
    changes: Sequence[Change], missing: Sequence[str], threshold: float
) -> Section:
    """The section of a comparison with a baseline.

    Args:
        changes: Shown as a table, the largest slowdown first.
        missing: Rows of the baseline without a new result.
        threshold: The threshold of the comparison.
    """
    counts = [
        f"{sum(change.verdict == verdict for change in changes)} {verdict}"
        for verdict in ("slower", "faster", "same", "too noisy")
    ]
    rule = (
        f"Slower or faster: by more than {threshold:.0%} and by more than the spread. Too noisy: a "
        f"spread (interquartile range over median) above {NOISY:.0%} on either side."
    )
    header = ["row", "verdict", "time added", "spread", "before", "now", "metric"]
    ordered = sorted(changes, key=lambda change: -change.slowdown)
    rows = [_change(change) for change in ordered]
    lines = [", ".join(counts) + "."]
    lines += [f"Not measured again: {'; '.join(missing)}."] if missing else []
    return Section("Against the baseline", lines, "", header, rows, rule)


def format_value(value: object) -> str:
    """A value as text: three significant digits, thousands separated by commas."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return "" if value is None else str(value)
    if isinstance(value, int) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) >= 1 else f"{value:.3g}"


def _change(change: Change) -> list[str]:
    shares = [f"{change.slowdown:+.1%}", f"{change.spread:.1%}"]
    values = [format_value(change.old), format_value(change.new), change.metric.replace("_", " ")]
    return [change.row, change.verdict, *shares, *values]


def _benchmark(document: Mapping[str, Any], pictures: Mapping[str, bytes]) -> Section:
    rows = document["rows"]
    names = dict.fromkeys([*ROW_KEY, *(name for row in rows for name in row)])
    shown = [name for name in names if _is_shown(name, rows)]
    cells = [[_cell(row, name) for name in shown] for row in rows]
    header = [str(_HEADERS.get(name, name.replace("_", " "))) for name in shown]
    title = ", ".join(document[name] for name in ("subject", "model") if name in document)
    drawn = {**_pictures(rows), **pictures}
    lines = [_machine(document["machine"])]
    return Section(title, lines, _command(document), header, cells, _CAPTION, drawn)


_CAPTION = (
    "Medians; the spread is the interquartile range over the median. A speedup is the time of a "
    f"row over the time of our environment; it is empty where a spread is above {NOISY:.0%}."
)


def _is_shown(name: str, rows: Sequence[Mapping[str, Any]]) -> bool:
    values = [row[name] for row in rows if name in row]
    return bool(values) and name not in _HIDDEN and not isinstance(values[0], (dict, list))


def _cell(row: Mapping[str, Any], name: str) -> str:
    is_spread = name == "iqr" and row.get("median")
    return f"{row['iqr'] / row['median']:.1%}" if is_spread else format_value(row.get(name))


def _command(document: Mapping[str, Any]) -> str:
    bare = f"python -m benchmarks {document['subject']}  # its options were not recorded"
    return document.get("command", bare)


def _machine(machine: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    kernels = f"kernels {machine['kernels']}, " if "kernels" in machine else ""
    return (
        f"{machine['date']}: {machine['cpu']} ({machine['instructions']}), "
        f"{kernels}{machine['threads']} threads on {machine['cores']} cores, "
        f"{machine['memory_gib']} GiB, GPU: {machine['gpu'] or 'none'}; "
        f"Python {machine['python']}, {versions}."
    )


def _pictures(rows: Sequence[Mapping[str, Any]]) -> dict[str, bytes]:
    """One bar chart for each metric; each row is in the chart of the first metric that it has."""
    pictures = {}
    for metric in METRICS:
        drawn = [_bar(row, metric) for row in rows if find_metric(row) == metric]
        if drawn:
            label = metric.replace("_", " ")
            caption = f"{label}: medians; whiskers reach half an interquartile range to each side"
            pictures[caption] = bars(drawn, label)
    return pictures


def _bar(row: Mapping[str, Any], metric: str) -> Bar:
    setting = [f"{name}={row[name]}" for name in ("n", "context") if name in row]
    setting += [row["dtype"]] if "dtype" in row else []
    spread = row["iqr"] / row["median"] if row.get("median") else 0.0
    return Bar(row["what"], ", ".join(setting), row[metric], row[metric] * spread / 2)
