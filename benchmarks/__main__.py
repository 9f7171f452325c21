"""`python -m benchmarks <subject>`: a table for people, then one line of JSON."""

import json
import re
import shlex
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from agents.config.loading import UserError, reported
from agents.runs.files import write_json
from benchmarks.harness import timing
from benchmarks.learning import command
from benchmarks.report import page
from benchmarks.subjects import (
    finetune,
    interfaces,
    precision,
    scaling,
    startup,
    tasks,
    throughput,
    time_shares,
    training,
)
from lm_envs.model.loading import DTYPES, INT8
from lm_envs.validation import check_choice

Measure = Callable[..., dict[str, Any]]

SUBJECTS: Mapping[str, Measure] = {
    "throughput": throughput.run,
    "scaling": scaling.run,
    "startup": startup.run,
    "interfaces": interfaces.run,
    "finetune": finetune.run,
    "precision": precision.run,
    "tasks": tasks.run,
    "training": training.run,
    "profile": time_shares.run,
}
OPTIONS = {"prompt": ("throughput", "prompts"), "env": ("profile", "ids")}
"""Options that one subject has, and what its function calls them."""

ROWS = {"finetune": [16]}
"""Rows of a subject that are measured unless others are asked for."""

WIDTH = 180
"""Columns of a table that no terminal shows."""

COLUMNS = {
    "what": "{}",
    "n": "{}",
    "dtype": "{}",
    "prompt": "{}",
    "context": "{}",
    "tokens_per_s": "{:,.0f}",
    "prompt_tokens_per_s": "{:,.0f}",
    "decode_tokens_per_s": "{:,.0f}",
    "steps_per_s": "{:,.0f}",
    "ms_per_step": "{:.2f}",
    "seconds": "{:.2f}",
    "times_the_shortest": "{:.2f}",
    "slope": "{:.2f}",
    "times_the_default": "{:.2f} x",
    "times_next_word": "{:.2f} x",
    "tokens_per_step": "{:.1f}",
    "speedup": "{:.2f} x",
    "gb_per_s": "{:.1f}",
    "gflop_per_s": "{:,.0f}",
    "writing_speedup": "{:.2f} x",
    "learning_speedup": "{:.2f} x",
    "share_of_limit": "{:.0%}",
    "perplexity": "{:.2f}",
    "same_best_word": "{:.2%}",
    "logprob_error": "{:.4f}",
    "iqr": "{:.3f}",
    "writing_s": "{:.2f}",
    "learning_s": "{:.2f}",
    "peak_gib": "{:.2f}",
    **dict.fromkeys(time_shares.PARTS, "{:.0%}"),
    "note": "{}",
}
HEADERS = {
    "tokens_per_step": "tokens read a step",
    "tokens_per_s": "tokens/s",
    "prompt_tokens_per_s": "prompts, tokens/s",
    "decode_tokens_per_s": "decoding, tokens/s",
    "steps_per_s": "steps/s",
    "ms_per_step": "ms/step",
    "gb_per_s": "GB/s",
    "gflop_per_s": "GFLOP/s",
    "share_of_limit": "of limit",
    "peak_gib": "peak GiB",
}


def main(
    subject: Annotated[str, typer.Argument(help=f"{', '.join(SUBJECTS)}; or learning, report")],
    model: Annotated[
        str, typer.Option(help="gpt2-124m, embedded, or a folder; not for startup")
    ] = "gpt2-124m",
    n: Annotated[
        list[int] | None,
        typer.Option(min=1, help="rows; again for more; not for startup, precision"),
    ] = None,
    prompt: Annotated[
        list[int] | None,
        typer.Option(min=1, help="tokens of a prompt; again for more; for throughput"),
    ] = None,
    dtype: Annotated[
        list[str] | None,
        typer.Option(help="float32, bfloat16, int8 (not for finetune); not for startup"),
    ] = None,
    env: Annotated[
        list[str] | None, typer.Option(help="id; again for more; for profile, all by default")
    ] = None,
    repeats: Annotated[
        int, typer.Option(min=1, help="times that each is measured; not for precision")
    ] = 5,
    output: Annotated[Path, typer.Option()] = Path("benchmarks/results"),
) -> None:
    """Measures one subject and keeps the result under `<output>/<date>-<cpu>/`."""
    with reported():
        if subject not in SUBJECTS:
            raise UserError(f"Got subject {subject!r}; allowed: {', '.join(SUBJECTS)}.")
        kinds = dtype or list(DTYPES)
        for kind in kinds:
            check_choice("dtype", kind, (*DTYPES, INT8))
        measure = SUBJECTS[subject]
        for option, value in (("prompt", prompt), ("env", env)):
            if value is not None:
                measure = _with(option, value, subject)
        result = measure(model, n or ROWS.get(subject, [1, 8, 64]), kinds, repeats)
        command = shlex.join(["python", "-m", "benchmarks", *sys.argv[1:]])
        document = {**result, "machine": timing.machine(), "command": command}
        Console(width=None if sys.stdout.isatty() else WIDTH).print(table(document))
        write_json(path_of(document, output), document)
        typer.echo(json.dumps(document))


def _with(option: str, value: Any, subject: str) -> Measure:  # noqa: ANN401 - of any option
    """A subject with an option that is its own."""
    owner, argument = OPTIONS[option]
    if subject != owner:
        raise UserError(f"Got --{option} for {subject}; allowed: for {owner}.")
    return partial(SUBJECTS[subject], **{argument: value})


def path_of(document: dict[str, Any], output: Path) -> Path:
    """Where a result is kept: by date and processor, then subject and model."""
    machine = document["machine"]
    cpu = re.sub(r"[^a-z0-9]+", "-", machine["cpu"].lower()).strip("-")
    model = Path(document.get("model", "")).name
    name = "-".join(part for part in (document["subject"], model) if part)
    return output / f"{machine['date']}-{cpu}" / f"{name}.json"


def table(document: dict[str, Any]) -> Table:
    """The rows of a result; a ratio that is too noisy to state is left open."""
    rows = document["rows"]
    shown = [name for name in COLUMNS if any(name in row for row in rows)]
    result = Table(title=f"{document['subject']} on {document['machine']['cpu']}")
    for name in shown:
        header = HEADERS.get(name, name.replace("_", " "))
        result.add_column(header, justify="left" if name == "what" else "right")
    for row in rows:
        cells = (row.get(name) for name in shown)
        pairs = zip(shown, cells, strict=True)
        result.add_row(*("" if v is None else COLUMNS[name].format(v) for name, v in pairs))
    return result


if __name__ == "__main__":
    commands = {"report": page.command, "learning": command.command}
    if sys.argv[1:2] and sys.argv[1] in commands:
        commands[sys.argv[1]](sys.argv[2:])
    typer.run(main)
