"""`python -m agents.finetune_report RUN…`: compares the stages of finetuning over several seeds.

Owns the printed table; statistics live in `agents.evaluation.stages`. Trains nothing.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from agents.config.loading import reported
from agents.evaluation.stages import compare_seeds
from agents.evaluation.summary import mean_and_half_width
from lm_envs.rendering import printable


def _table(stages: Mapping[str, Mapping[str, Mapping[str, Any]]], count: int) -> Table:
    """Returns a row for each measure and stage, which fits 80 columns."""
    title = "1 run" if count == 1 else f"{count} runs"
    table = Table(title=title, title_justify="left")
    for name in ("measure", "stage"):
        table.add_column(name, overflow="fold")
    for name in ("mean ± 95 %", "gain over the stage before"):
        table.add_column(name, justify="right")
    for measure in next(iter(stages.values())):
        for number, (stage, values) in enumerate(stages.items()):
            value = values[measure]
            gain = mean_and_half_width(value["gain"], "+") if "gain" in value else ""
            name = "" if number else measure
            names = (Text(printable(name)), Text(printable(stage)))
            table.add_row(*names, mean_and_half_width(value), gain)
        table.add_section()
    return table


def main(
    runs: Annotated[list[Path], typer.Argument(help="folders of agents.finetune, one per seed")],
    as_json: Annotated[bool, typer.Option("--json", help="print JSON, not the table")] = False,
) -> None:
    """Prints the stages of a configuration over its seeds as a table, or as a line of JSON."""
    with reported():
        stages = compare_seeds(runs)
        if as_json:
            typer.echo(json.dumps({"runs": [str(run) for run in runs], "stages": stages}))
        else:
            Console(highlight=False).print(_table(stages, len(runs)))


if __name__ == "__main__":
    typer.run(main)
