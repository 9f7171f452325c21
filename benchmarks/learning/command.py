"""`python -m benchmarks learning SWEEP`: reward curves of algorithm, task and seed.

Owns the command line, its table and its files. The runs are in `sweep`, the statistics in
`summary`.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from agents.config.loading import load_config, reported
from agents.evaluation.terminal import print_table
from agents.runs.files import write_json
from benchmarks.harness import timing
from benchmarks.learning import plots
from benchmarks.learning.summary import summarize
from benchmarks.learning.sweep import SweepConfig, make_configs, run_all, run_labels
from benchmarks.report.table import make_table

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


def main(
    sweep: Annotated[
        Path, typer.Argument(help="YAML file such as benchmarks/sweeps/next_word.yaml")
    ],
    jobs: Annotated[
        int | None, typer.Option(min=1, help="runs at the same time; default: number of cores")
    ] = None,
    runs: Annotated[Path, typer.Option(help="folder of finished runs, named by hash")] = Path(
        "runs/learning"
    ),
    output: Annotated[Path, typer.Option(help="parent of the sweep's folder of results")] = Path(
        "benchmarks/results/learning"
    ),
) -> None:
    """Trains every configuration of a sweep with every seed, and compares the learning curves."""
    with reported():
        settings = load_config(SweepConfig, sweep)
        jobs = jobs or os.cpu_count() or 1
        finished = run_all(make_configs(settings), runs, jobs)
        summary = summarize(finished, settings.threshold, run_labels(settings))
        document = {**summary, "machine": timing.machine(), "jobs": jobs}
        folder = output / sweep.stem
        write_json(folder / "learning.json", document)
        plots.draw(document, folder)
        print_table(result_table(document))
        typer.echo(json.dumps(document))


def result_table(document: Mapping[str, Any]) -> Table:
    """The rows of a result, without columns that are None in every row."""
    threshold = document["threshold"]
    title = "learning: IQM of the last held-out reward, 95 % interval over seeds"
    title = title if threshold is None else f"{title}; threshold {threshold}"
    rows = [{k: v for k, v in row.items() if v is not None} for row in document["rows"]]
    return make_table(title, rows, COLUMNS)
