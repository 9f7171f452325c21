"""`python -m benchmarks learning SWEEP`: reward curves of algorithm, task and seed.

Owns the command, its table and its files. The runs themselves are `sweep`'s, what they come to
`learning_summary`'s.
"""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from agents.config.loading import load_config, reported
from agents.runs.files import write_json
from benchmarks.harness import timing
from benchmarks.learning import plots
from benchmarks.learning.summary import summarize
from benchmarks.learning.sweep import SweepConfig, labels_of, read_configs, run_all

COLUMNS = {
    "what": "{}",
    "algorithm": "{}",
    "seeds": "{}",
    "examples": "{:,}",
    "reward": "{:.3f}",
    "interval": "{0[0]:.3f} … {0[1]:.3f}",
    "random": "{:.3f}",
    "steps_to_threshold": "{:,.0f}",
    "seconds_to_threshold": "{:,.0f}",
    "reached": "{}",
    "seconds": "{:,.0f}",
}


def table(document: Mapping[str, Any]) -> Table:
    """The rows of a result."""
    shown = [name for name in COLUMNS if any(row.get(name) is not None for row in document["rows"])]
    threshold = document["threshold"]
    title = "learning: IQM of the last held-out reward, 95 % interval over seeds"
    result = Table(title=title if threshold is None else f"{title}; threshold {threshold}")
    for name in shown:
        result.add_column(name.replace("_", " "), justify="left" if name == "what" else "right")
    for row in document["rows"]:
        cells = [(name, row.get(name)) for name in shown]
        result.add_row(*("" if v is None else COLUMNS[name].format(v) for name, v in cells))
    return result


def main(
    sweep: Annotated[
        Path, typer.Argument(help="YAML file such as benchmarks/sweeps/next_word.yaml")
    ],
    jobs: Annotated[
        int | None, typer.Option(min=1, help="runs at a time; default one a core")
    ] = None,
    runs: Annotated[Path, typer.Option(help="where runs are kept, by hash")] = Path(
        "runs/learning"
    ),
    output: Annotated[Path, typer.Option(help="for a folder named after the sweep")] = Path(
        "benchmarks/results/learning"
    ),
) -> None:
    """Trains every configuration of a sweep with every seed, and compares the curves."""
    with reported():
        settings = load_config(SweepConfig, sweep)
        jobs = jobs or os.cpu_count() or 1
        finished = run_all(read_configs(settings), runs, jobs)
        summary = summarize(finished, settings.threshold, labels_of(settings))
        document = {**summary, "machine": timing.machine(), "jobs": jobs}
        folder = output / sweep.stem
        write_json(folder / "learning.json", document)
        plots.draw(document, folder)
        Console().print(table(document))
        typer.echo(json.dumps(document))


def command(arguments: Sequence[str]) -> None:
    """Runs `main` with a command line."""
    app = typer.Typer(add_completion=False)
    app.command()(main)
    app(list(arguments), prog_name="python -m benchmarks learning")
