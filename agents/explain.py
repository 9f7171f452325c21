"""`python -m agents.explain RUN`: what an agent learned, as a page and as JSON.

Owns the command line and the summary at its end; the content lives in `agents.explaining`.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from agents.config.imports import TRUST_HELP
from agents.config.loading import UserError, reported
from agents.evaluation.rollouts import evenly_spaced_indices
from agents.evaluation.summary import mean_and_half_width, print_files
from agents.explaining.page import explanation_page
from agents.explaining.report import explain
from agents.runs.files import write_json, write_text
from agents.viewing.recorder import record_with_moments
from agents.viewing.runs import load_run
from lm_envs.rendering import printable

MOST_ROWS = 64


def _print(report: Mapping[str, Any], files: Mapping[str, Path | str]) -> None:
    console = Console(highlight=False)
    console.print(Text(printable(report["sentence"]), style="bold"))
    console.print()
    if groups := report.get("groups"):
        table = Table(title="what decided (Shapley values)", title_justify="left")
        table.add_column("group", overflow="fold")
        for name in ("share", "action changes without it ± 95 %"):
            table.add_column(name, justify="right")
        for name, share in sorted(groups["shares"].items(), key=lambda pair: -pair[1]):
            changes = mean_and_half_width(groups["check"]["by_group"][name])
            table.add_row(Text(name), f"{share:.1%}", changes)
        console.print(table)
    if departures := report.get("departures"):
        table = Table(title="departures from the model's first choice", title_justify="left")
        table.add_column("chosen", overflow="fold")
        for name in ("steps", "departs", "gain there ± 95 %"):
            table.add_column(name, justify="right")
        for row in departures["by_kind"]:
            gain = mean_and_half_width(row["gain"], "+") if row["gain"] else ""
            table.add_row(
                Text(printable(row["name"])), str(row["steps"]), f"{row['share']:.1%}", gain
            )
        console.print(table)
    for note in report["notes"]:
        console.print(Text(note))
    print_files(files, console)


def main(
    folder: Annotated[Path, typer.Argument(help="run of agents.train or agents.finetune")],
    episodes: Annotated[int, typer.Option(min=4, help="number of held-out examples")] = 40,
    split: Annotated[str, typer.Option(help="validation or test")] = "test",
    departures: Annotated[int, typer.Option(min=2, help="departures that are measured")] = 192,
    output: Annotated[Path | None, typer.Option(help="folder; default RUN/explanation")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON, not the summary")] = False,
    trust_imports: Annotated[bool, typer.Option("--trust-imports", help=TRUST_HELP)] = False,
) -> None:
    """Explains where an agent departs from the model, what it gains, and what decides it."""
    with reported():
        run = load_run(folder, trust_imports=trust_imports)
        env = run.environment(split, MOST_ROWS)
        indices = evenly_spaced_indices(env.num_examples, episodes)
        if len(indices) < 4:
            raise UserError(
                f"Got {len(indices)} examples in split {split!r}; allowed: 4 or more. Use another "
                "split."
            )
        records = record_with_moments(env, run.policy, indices)
        report = {"split": split, **explain(run, env, records, departures)}
        target = output or folder / "explanation"
        page = explanation_page(report, [trace for trace, _ in records])
        write_text(target / "index.html", page)
        write_json(target / "explanation.json", report)
        if as_json:
            typer.echo(json.dumps(report))
        else:
            files = {"page": target / "index.html", "JSON": target / "explanation.json"}
            _print(report, files)


if __name__ == "__main__":
    typer.run(main)
