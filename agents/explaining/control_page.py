"""A sweep of weights as sentences, a table, a picture and a page.

Owns wording and layout; numbers come from `control`. Untrusted text is sanitized here or by `html`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table
from rich.text import Text

from agents.evaluation import plots
from agents.evaluation.html import Html, cards, heading, page, paragraph, picture, plain, table
from agents.evaluation.intervals import LEVEL
from agents.evaluation.report import interval_cell
from agents.evaluation.summary import mean_and_half_width, print_files
from agents.explaining.control import TOKENS
from lm_envs.rendering import printable

CAPTION = (
    "Means over seeds and the same held-out prompts with 95 % intervals, as in the table below. "
    "Dotted: the model alone, greedily."
)


def sentences(report: Mapping[str, Any]) -> list[str]:
    """Returns for each score which measures move with its weight, by how much."""
    found = []
    for score, changes in report["changes"].items():
        weights = [row["weight"] for row in report["rows"] if row["score"] == score]
        clear = {name: each for name, each in changes.items() if each["p_holm"] < LEVEL}
        moves = [
            f"{name} {'rises' if each['mean'] > 0 else 'falls'} by "
            + _short(name, {**each, "mean": abs(each["mean"])})
            for name, each in clear.items()
        ]
        still = [name for name in changes if name not in clear]
        parts = [", ".join(moves) or "nothing moves clearly"]
        if moves and still:
            parts.append(f"no clear change of {', '.join(still)}")
        found.append(
            f"With the weight of {score} from {weights[0]:g} to {weights[-1]:g}: "
            f"{'; '.join(parts)}."
        )
    return found


def print_control(report: Mapping[str, Any], files: Mapping[str, Path | str]) -> None:
    """Prints the sentences, the table, and where the files are."""
    console = Console(highlight=False)
    for sentence in sentences(report):
        console.print(Text(printable(sentence), style="bold"))
    console.print()
    title = f"{report['prompts']} {report['split']} prompts, {report['seeds']} seeds; ± 95 %"
    shown = Table(title=title, title_justify="left")
    shown.add_column("weight", overflow="fold")
    for name in report["measures"]:
        shown.add_column(Text(printable(name)), justify="right", overflow="fold")
    for label, measured in _rows(report):
        values = [_short(name, measured[name]) for name in report["measures"]]
        shown.add_row(Text(printable(label)), *values)
    console.print(shown)
    print_files(files, console)


def draw_control(report: Mapping[str, Any], path: Path) -> None:
    """Draws two columns of axes: each measure over the weights of each score."""
    measures, scores = report["measures"], list(report["changes"])
    lines = -(-len(measures) // 2)  # two columns, which a narrow screen shows too
    figure = Figure(figsize=(6.4, 2.4 * lines * len(scores) + 0.2), layout="constrained")
    grid = figure.subplots(lines * len(scores), 2, squeeze=False)
    for place, score in enumerate(scores):
        own = grid[place * lines : (place + 1) * lines].flat
        rows = [row for row in report["rows"] if row["score"] == score]
        weights = [row["weight"] for row in rows]
        for axes in own[len(measures) :]:
            axes.set_axis_off()
        for name, axes in zip(measures, own[: len(measures)], strict=True):
            values = [row["measures"][name] for row in rows]
            means = [each["mean"] for each in values]
            low, high = zip(*(each["interval"] for each in values), strict=True)
            errors = [[m - end for m, end in zip(means, low, strict=True)]]
            errors += [[end - m for m, end in zip(means, high, strict=True)]]
            axes.errorbar(weights, means, errors, fmt="o-", ms=4, capsize=3)
            axes.axhline(report["alone"]["measures"][name]["mean"], ls=":", lw=1, color="C7")
            axes.set(xlabel=f"weight of {score}", title=name, xticks=weights)
            axes.grid(alpha=0.3)
    plots.save(figure, path)


def control_page(report: Mapping[str, Any], figure: Path) -> str:
    """Returns one self-contained page: sentences, table, picture, and the same prompts' texts."""
    weights = ", ".join(f"{name} {value:g}" for name, value in report["rewards"].items())
    parts = [paragraph(sentence) for sentence in sentences(report)]
    parts.append(
        paragraph(
            f"Agents of {report['config']} on {report['env']} with other weights of the reward, "
            f"each trained for {report['steps']:,} steps with {report['seeds']} seeds. The own "
            f"weights, of which one changes at a time: {weights}. {report['prompts']} "
            f"{report['split']} prompts."
        )
    )
    parts.append(picture(figure.read_bytes(), CAPTION))
    rows = [
        [label, *(interval_cell(measured[name]) for name in report["measures"])]
        for label, measured in _rows(report)
    ]
    parts.append(table(["weight", *report["measures"]], rows))
    parts += [heading("The same prompts, side by side"), *_texts(report)]
    return page(f"Control of {report['config']} by the reward's weights", parts)


def _rows(report: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Returns a label and the measures of each row, the model alone first."""
    own = [(_label(row), row["measures"]) for row in report["rows"]]
    return [("model alone", report["alone"]["measures"]), *own]


def _texts(report: Mapping[str, Any]) -> list[Html]:
    columns = [("model alone", report["alone"]), *((_label(row), row) for row in report["rows"])]
    parts = []
    for place, each in enumerate(report["alone"]["texts"]):
        parts.append(heading(f"{each['prompt']} …", 3))
        parts.append(
            cards([(name, plain(row["texts"][place]["text"].strip())) for name, row in columns])
        )
    return parts


def _label(row: Mapping[str, Any]) -> str:
    return f"{row['score']} {row['weight']:g}"


def _short(measure: str, score: Mapping[str, Any]) -> str:
    """Returns mean and half-width; of a number of tokens with one decimal, else with three."""
    return mean_and_half_width(score, digits=1 if measure == TOKENS else 3)
