"""`python -m agents.explain RUN`: what an agent learned, as a page and as JSON.

With `--weights FILE` instead of a run: how the weights of the reward control the texts. Owns the
command line and the summary at its end; the content lives in `agents.explaining`.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from agents.config.control import ControlConfig
from agents.config.imports import TRUST_HELP
from agents.config.loading import UserError, load_config, reported
from agents.evaluation.rollouts import evenly_spaced_indices
from agents.evaluation.summary import mean_and_half_width, print_files
from agents.explaining.control import control_report
from agents.explaining.control_page import control_page, draw_control, print_control
from agents.explaining.page import explanation_page
from agents.explaining.report import explain
from agents.runs.files import check_writable, write_json, write_text
from agents.runs.manifest import CHECKPOINT_HELP
from agents.viewing.recorder import record_with_moments
from agents.viewing.runs import load_run
from agents.viewing.wording import percent
from lm_envs.rendering import printable

MOST_ROWS = 64

WEIGHTS_HELP = (
    "sweep of the reward's weights, in place of a run; see benchmarks/sweeps/control.yaml"
)
OUTPUT_HELP = "folder; default RUN/explanation, for --weights runs/<name of the file>"


def _print(report: Mapping[str, Any], files: Mapping[str, Path | str]) -> None:
    console = Console(highlight=False)
    console.print(Text(printable(report["sentence"]), style="bold"))
    console.print()
    if groups := report.get("groups"):
        table = Table(title="what decided (shares of the Shapley values)", title_justify="left")
        table.add_column("group", overflow="fold")
        for name in ("share", "action changes without it ± 95 %"):
            table.add_column(name, justify="right")
        for name, share in sorted(groups["shares"].items(), key=lambda pair: -pair[1]):
            table.add_row(Text(name), percent(share), _changes(groups["check"]["by_group"][name]))
        console.print(table)
    if departures := report.get("departures"):
        table = Table(title="departures from the model's first choice", title_justify="left")
        table.add_column("chosen", overflow="fold")
        for name in ("steps", "departs", "gain there ± 95 %"):
            table.add_column(name, justify="right")
        for row in departures["by_kind"]:
            gain = mean_and_half_width(row["gain"], "+") if row["gain"] else ""
            table.add_row(
                Text(printable(row["name"])), str(row["steps"]), percent(row["share"]), gain
            )
        console.print(table)
    for note in report["notes"]:
        console.print(Text(note))
    print_files(files, console)


def _changes(score: Mapping[str, Any]) -> str:
    """Returns how often the action changes, and half the interval's width, in percent."""
    low, high = score["interval"]
    return f"{100 * score['mean']:.1f} ± {percent((high - low) / 2)}"


def explain_run(
    folder: Path,
    target: Path,
    split: str,
    episodes: int,
    departures: int,
    *,
    checkpoint: str = "last",
    trust_imports: bool = False,
) -> tuple[dict[str, Any], dict[str, Path]]:
    """Explains an agent, and writes the page and the JSON; returns the report and their paths.

    Args:
        folder: Of the run.
        target: Folder of the files.
        split: Of the examples.
        episodes: Number of examples.
        departures: Departures whose gain is measured.
        checkpoint: "last", or "best" by held-out reward.
        trust_imports: Whether the configuration may import modules; see `check_trusted`.

    Raises:
        UserError: If the run cannot be loaded, or the split has fewer than 4 examples.
    """
    run = load_run(folder, checkpoint, trust_imports=trust_imports)
    env = run.environment(split, MOST_ROWS)
    indices = evenly_spaced_indices(env.num_examples, episodes)
    if len(indices) < 4:
        raise UserError(
            f"Got {len(indices)} examples in split {split!r}; allowed: 4 or more. Use another "
            "split."
        )
    check_writable(target)
    records = record_with_moments(env, run.policy, indices)
    report = {"split": split, **explain(run, env, records, departures)}
    files = {"page": target / "index.html", "JSON": target / "explanation.json"}
    write_text(files["page"], explanation_page(report, [trace for trace, _ in records]))
    write_json(files["JSON"], report)
    return report, files


def explain_weights(
    sweep: Path, target: Path, split: str, episodes: int, *, trust_imports: bool = False
) -> tuple[dict[str, Any], dict[str, Path]]:
    """Trains agents with other weights, and writes what these do; returns report and paths.

    Args:
        sweep: File of a `ControlConfig`.
        target: Folder of the files; the runs are in `runs` there.
        split: Of the prompts.
        episodes: Largest number of prompts.
        trust_imports: Whether the configuration may import modules; see `check_trusted`.

    Raises:
        UserError: As `control_report`, or if the file is malformed.
    """
    settings = load_config(ControlConfig, sweep)
    check_writable(target)
    report = control_report(settings, target / "runs", split, episodes, trust_imports=trust_imports)
    files = {"page": target / "index.html", "picture": target / "control.png"}
    files["JSON"] = target / "control.json"
    write_json(files["JSON"], report)
    draw_control(report, files["picture"])
    write_text(files["page"], control_page(report, files["picture"]))
    return report, files


def main(
    folder: Annotated[
        Path | None, typer.Argument(metavar="RUN", help="of agents.train or agents.finetune")
    ] = None,
    weights: Annotated[Path | None, typer.Option(help=WEIGHTS_HELP)] = None,
    episodes: Annotated[int, typer.Option(min=4, help="number of held-out examples")] = 40,
    split: Annotated[str, typer.Option(help="validation or test")] = "test",
    departures: Annotated[int, typer.Option(min=2, help="departures that are measured")] = 192,
    output: Annotated[Path | None, typer.Option(help=OUTPUT_HELP)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON, not the summary")] = False,
    checkpoint: Annotated[str, typer.Option(help=CHECKPOINT_HELP)] = "last",
    trust_imports: Annotated[bool, typer.Option("--trust-imports", help=TRUST_HELP)] = False,
) -> None:
    """Explains where an agent departs from the model, what it gains, and what decides it."""
    with reported():
        options: Any = {"trust_imports": trust_imports}
        if folder is not None and weights is None:
            target = output or folder / "explanation"
            options["checkpoint"] = checkpoint
            report, files = explain_run(folder, target, split, episodes, departures, **options)
        elif weights is not None and folder is None:
            target = output or Path("runs") / weights.stem
            report, files = explain_weights(weights, target, split, episodes, **options)
        else:
            raise UserError(
                f"Got RUN={str(folder or '')!r}, --weights={str(weights or '')!r}; allowed: one of "
                "them, such as runs/next_word_ppo-s0."
            )
        if as_json:
            typer.echo(json.dumps(report))
        elif weights is not None:
            print_control(report, files)
        else:
            _print(report, files)


if __name__ == "__main__":
    typer.run(main)
