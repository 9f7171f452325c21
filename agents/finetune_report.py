"""`python -m agents.finetune_report RUN…`: compares the stages of finetuning over several seeds.

Owns the printed table; statistics live in `agents.evaluation.stages`. Trains nothing.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from agents.config.loading import reported
from agents.evaluation.stages import compare_seeds, format_interval
from agents.evaluation.terminal import print_table


def _cell(value: Mapping[str, Any]) -> str:
    gain = f"\n  {format_interval(value['gain'], '+')}" if "gain" in value else ""
    return format_interval(value) + gain


def main(
    runs: Annotated[list[Path], typer.Argument(help="folders of agents.finetune, one per seed")],
) -> None:
    """Prints the stages of a configuration over its seeds as a table, then as a line of JSON."""
    with reported():
        stages = compare_seeds(runs)
        table = Table(
            title=f"{len(runs)} runs: mean and 95 % interval; gain over the previous stage"
        )
        for name in ("measure", *stages):
            table.add_column(name)
        for measure in next(iter(stages.values())):
            table.add_row(measure, *(_cell(values[measure]) for values in stages.values()))
        print_table(table)
        typer.echo(json.dumps({"runs": [str(run) for run in runs], "stages": stages}))


if __name__ == "__main__":
    typer.run(main)
