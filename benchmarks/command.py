"""`python -m benchmarks SUBJECT`: prints a table, then one line of JSON, and stores the JSON.

Owns the command line and the place of a result file. What is measured is in `benchmarks.subjects`.
"""

import json
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from agents.config.loading import UserError, reported
from agents.runs.files import write_json
from benchmarks.claims import command as claims
from benchmarks.finetuned import command as finetuned
from benchmarks.gpu import command as gpu
from benchmarks.harness import timing
from benchmarks.harness.models import SHAPES
from benchmarks.harness.results_folder import machine_folder
from benchmarks.learning import command as learning
from benchmarks.report import page, pictures
from benchmarks.report.table import result_table
from benchmarks.subjects.defaults import DTYPES
from benchmarks.subjects.registry import SUBJECTS, measure, subjects_accepting
from lm_envs.model.loading import INT8
from lm_envs.validation import check_choice

COMMANDS: Mapping[str, Callable[..., None]] = {
    "claims": claims.main,
    "finetuned": finetuned.main,
    "gpu": gpu.main,
    "learning": learning.main,
    "pictures": pictures.main,
    "report": page.main,
}
"""Subjects with a command line of their own."""

WIDTH = 180
"""Columns of a table that is written to a file."""


_RANDOM, _MODEL = ", ".join(SHAPES), "gpt2-124m (calls: embedded)"


def _help(option: str, text: str) -> str:
    return f"{text}; for {', '.join(subjects_accepting(option))}"


Subject = Annotated[str, typer.Argument(help=", ".join((*SUBJECTS, *COMMANDS)))]
Model = Annotated[
    str | None,
    typer.Option(
        help=_help(
            "model", f"{_RANDOM} (random weights), embedded, smollm2, or a folder; default {_MODEL}"
        )
    ),
]
Rows = Annotated[
    list[int] | None,
    typer.Option(min=1, help=_help("n", "rows; repeat for more; default 1, 8, 64 (finetune: 16)")),
]
Prompts = Annotated[
    list[int] | None,
    typer.Option(min=1, help=_help("prompt", "tokens of a prompt; repeat for more; default 32")),
]
Dtypes = Annotated[
    list[str] | None,
    typer.Option(help=_help("dtype", "float32, bfloat16 (default: both), or int8 (not finetune)")),
]
Ids = Annotated[
    list[str] | None,
    typer.Option(help=_help("env", "id; repeat for more; default: all (calls: NextWord-v0)")),
]
Repeats = Annotated[
    int | None,
    typer.Option(min=1, help=_help("repeats", "timed runs of each competitor; default 5")),
]
Runners = Annotated[
    list[int] | None,
    typer.Option(min=1, help=_help("runners", "processes of Ray RLlib; repeat for more")),
]
Competitors = Annotated[
    list[str] | None,
    typer.Option(help=_help("competitor", "repeat for more, beside the environment; default: all")),
]
Label = Annotated[
    str,
    typer.Option(
        help="ends the name of the result's file, so that parts of a comparison keep their own"
    ),
]
Output = Annotated[Path, typer.Option(help="folder of results")]


def main(
    subject: Subject,
    model: Model = None,
    n: Rows = None,
    prompt: Prompts = None,
    dtype: Dtypes = None,
    env: Ids = None,
    repeats: Repeats = None,
    runners: Runners = None,
    competitor: Competitors = None,
    label: Label = "",
    output: Output = Path("benchmarks/results"),
) -> None:
    """Measures one subject and stores the result under `<output>/<date>-<device>/`."""
    with reported():
        if subject not in SUBJECTS:
            allowed = ", ".join((*SUBJECTS, *COMMANDS))
            raise UserError(f"Got subject {subject!r}; allowed: {allowed}.")
        for each in dtype or ():
            check_choice("dtype", each, (*DTYPES, INT8))
        given = {"model": model, "n": n, "prompt": prompt, "dtype": dtype, "env": env}
        given |= {"repeats": repeats, "runners": runners, "competitor": competitor}
        result = measure(subject, given)
        command = shlex.join(["python", "-m", "benchmarks", *sys.argv[1:]])
        document = {**result, "machine": timing.machine(), "command": command}
        width = None if sys.stdout.isatty() else WIDTH
        Console(width=width).print(result_table(document))
        write_json(result_path(document, output, label), document)
        typer.echo(json.dumps(document))


def result_path(document: Mapping[str, Any], output: Path, label: str = "") -> Path:
    """File of a result: the folder has date and device, the name has subject, model and label."""
    model = Path(document.get("model", "")).name
    name = "-".join(part for part in (document["subject"], model, label) if part)
    return machine_folder(document["machine"], output) / f"{name}.json"


def command(arguments: Sequence[str]) -> None:
    """Runs `main`, or the command line of a subject that has its own, then exits."""
    app = typer.Typer(add_completion=False)
    if arguments and arguments[0] in COMMANDS:
        name, *others = arguments
        app.command()(COMMANDS[name])
        app(others, prog_name=f"python -m benchmarks {name}")
    app.command()(main)
    app(repeated_options(arguments), prog_name="python -m benchmarks")


def repeated_options(arguments: Sequence[str]) -> list[str]:
    """Returns arguments with an option before each number: `--runners 1 2` gives it twice."""
    found: list[str] = []
    for argument in arguments:
        if argument.isdigit() and len(found) > 1 and found[-1].isdigit():
            found.append(found[-2])
        found.append(argument)
    return found
