"""`python -m benchmarks learning SWEEP`: reward curves of algorithm, task and seed.

Owns what is told of a sweep: a table, a JSON document and two pictures. The runs themselves are
`sweep`'s, the statistics `curves`'.
"""

import json
import os
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from agents.config import load_config, reported
from agents.files import write_json
from benchmarks import learning_plots, timing
from benchmarks.curves import common_steps, iqm, steps_to, stratified_interval
from benchmarks.sweep import Run, SweepConfig, read_configs, run_all

COLUMNS = {
    "what": "{}",
    "algorithm": "{}",
    "seeds": "{}",
    "reward": "{:.3f}",
    "interval": "{0[0]:.3f} … {0[1]:.3f}",
    "random": "{:.3f}",
    "steps_to_threshold": "{:,.0f}",
    "reached": "{}",
    "seconds": "{:,.0f}",
}
ALL_TASKS = "all tasks"


def summarise(runs: Sequence[Run], threshold: float | None) -> dict[str, Any]:
    """Rows and curves of each configuration; of an algorithm on several tasks, one row for all.

    `reward` is the IQM over seeds of the last held-out reward, `interval` its 95 % interval,
    `random` the mean over seeds of the random policy's, among the same proposals;
    `steps_to_threshold` and `seconds` (of training, evaluations included) are medians over seeds.
    """
    by_name: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        by_name[run.config.name].append(run)
    rows = [_row(name, seeds, threshold) for name, seeds in by_name.items()]
    return {
        "subject": "learning",
        "threshold": threshold,
        "rows": rows + _rows_of_all_tasks(by_name),
        "curves": {name: _curve(seeds) for name, seeds in by_name.items()},
        "configs": {name: seeds[0].config.model_dump() for name, seeds in by_name.items()},
        "baselines": {name: seeds[0].result["baselines"] for name, seeds in by_name.items()},
    }


def _row(name: str, seeds: Sequence[Run], threshold: float | None) -> dict[str, Any]:
    final = _final(seeds)
    row = {
        "what": name,
        "task": seeds[0].config.env.id,
        "algorithm": seeds[0].config.algorithm.name,
        **_reward([final]),
        "random": statistics.fmean(run.result["baselines"]["random"] for run in seeds),
        "seconds": statistics.median(run.log[-1]["seconds"] for run in seeds),
    }
    if threshold is None:
        return row
    first = [_steps_to(run, threshold) for run in seeds]
    median = statistics.median(np.inf if step is None else step for step in first)
    return row | {
        "steps_to_threshold": None if np.isinf(median) else int(median),
        "reached": f"{sum(step is not None for step in first)} of {len(first)}",
    }


def _rows_of_all_tasks(by_name: Mapping[str, Sequence[Run]]) -> list[dict[str, Any]]:
    by_algorithm: dict[str, list[Sequence[Run]]] = defaultdict(list)
    for seeds in by_name.values():
        by_algorithm[seeds[0].config.algorithm.name].append(seeds)
    return [
        {"what": ALL_TASKS, "algorithm": algorithm, **_reward([_final(seeds) for seeds in tasks])}
        for algorithm, tasks in by_algorithm.items()
        if len({seeds[0].config.env.id for seeds in tasks}) > 1
    ]


def _reward(strata: Sequence[np.ndarray]) -> dict[str, Any]:
    values = np.concatenate(strata)
    low, high = stratified_interval(strata)
    return {
        "seeds": len(values),
        "reward": float(iqm(values)),
        "interval": [float(low), float(high)],
    }


def _final(seeds: Sequence[Run]) -> np.ndarray:
    return np.array([run.log[-1]["held_out"]["reward"] for run in seeds])


def _steps_to(run: Run, threshold: float) -> int | None:
    steps, rewards = common_steps([_rewards(run)])
    return steps_to(steps, rewards[0], threshold)


def _curve(seeds: Sequence[Run]) -> dict[str, Any]:
    steps, rewards = common_steps([_rewards(run) for run in seeds])
    low, high = stratified_interval([rewards])
    named = {"steps": steps, "reward": iqm(rewards), "low": low, "high": high, "seeds": rewards}
    return {name: values.tolist() for name, values in named.items()}


def _rewards(run: Run) -> dict[int, float]:
    return {row["step"]: row["held_out"]["reward"] for row in run.log}


def table(document: Mapping[str, Any]) -> Table:
    """The rows of a result."""
    shown = [name for name in COLUMNS if any(name in row for row in document["rows"])]
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
        summary = summarise(run_all(read_configs(settings), runs, jobs), settings.threshold)
        document = {**summary, "machine": timing.machine(), "jobs": jobs}
        folder = output / sweep.stem
        write_json(folder / "learning.json", document)
        learning_plots.reward_curves(document, folder / "curves.png")
        learning_plots.interval_bars(document, folder / "rewards.png")
        Console().print(table(document))
        typer.echo(json.dumps(document))


def command(arguments: Sequence[str]) -> None:
    """Runs `main` with a command line."""
    app = typer.Typer(add_completion=False)
    app.command()(main)
    app(list(arguments), prog_name="python -m benchmarks learning")
