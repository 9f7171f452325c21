"""`python -m benchmarks gpu`: checks and measurements on one CUDA device, within a few minutes.

Owns the command line and the files, which are written anew after every section. What is measured is
in the sections; see `registry`.
"""

import json
import os
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from agents.runs.files import write_json, write_text
from benchmarks.gpu import registry, runner
from benchmarks.gpu.document import Results, format_row
from benchmarks.harness.results_folder import machine_folder

DEVICES = ("cuda", "cpu")


class Recorder:
    """Prints each row as it comes and writes the files after each section.

    Args:
        results: To be filled.
        output: Parent of the folder of results.

    Attributes:
        folder: Of the files, once the machine is known.
    """

    def __init__(self, results: Results, output: Path) -> None:
        self._results, self._output = results, output
        self._start = self._section_start = time.monotonic()
        self.folder: Path | None = None

    def __call__(self, message: runner.Message) -> None:
        """Handles a message of `worker`.

        Raises:
            ValueError: If the device cannot be used.
        """
        kind, *values = message
        if kind == "unusable":
            raise ValueError(
                f"Got --device cuda, which is not available here ({values[0]}); allowed here: "
                "--device cpu --small, a rehearsal."
            )
        if kind == "machine":
            self._results.machine = values[0]
            self.folder = machine_folder(values[0], self._output)
        elif kind == "begin":
            self._section_start = time.monotonic()
        elif kind == "row":
            self._print(format_row(self._results.add_row(*values)))
        elif kind == "end":
            self._end_section(*values)

    def _end_section(self, name: str, error: str | None) -> None:
        now = time.monotonic()
        self._results.end_section(name, now - self._section_start, error)
        self._section_start = now
        self._print(f"{name}: {'done' if error is None else error}")
        if self.folder is not None:
            write_json(self.folder / "gpu.json", self._results.as_dict())
            write_text(self.folder / "gpu.md", self._results.markdown())

    def _print(self, text: str) -> None:
        print(f"[{time.monotonic() - self._start:6.1f}s] {text}", flush=True)


def main(
    minutes: Annotated[float, typer.Option(min=0.1, help="time of all sections")] = (
        registry.MINUTES
    ),
    only: Annotated[
        str, typer.Option(help=f"sections, with commas between: {', '.join(registry.SECTIONS)}")
    ] = "",
    device: Annotated[str, typer.Option(help="cuda, or cpu for a rehearsal")] = "cuda",
    small: Annotated[bool, typer.Option("--small", help="tiny sizes, for a rehearsal")] = False,
    wheels: Annotated[
        Path | None, typer.Option(help="folder of wheels to install for this run alone")
    ] = None,
    output: Annotated[Path, typer.Option(help="parent of the folder of results")] = Path(
        "benchmarks/results"
    ),
) -> None:
    """Checks and measures everything on one CUDA device; writes JSON and Markdown."""
    try:
        names = registry.check_names([name for name in only.split(",") if name])
        if device not in DEVICES:
            raise ValueError(f"Got --device {device!r}; allowed: {', '.join(DEVICES)}.")
        _prepare_environment(device)
        results = Results(shlex.join(["python", "-m", "benchmarks", *sys.argv[1:]]), is_small=small)
        record, seconds = Recorder(results, output), 60 * minutes
        options = runner.Options(device, small, seconds, time.monotonic() + seconds)
        runner.run_sections(names, options, record)
    except ValueError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None
    summary = {"subject": "gpu", "folder": str(record.folder), "sections": results.sections}
    typer.echo(json.dumps(summary))


def command(arguments: Sequence[str]) -> None:
    """Runs `main` with command-line arguments, then exits."""
    app = typer.Typer(add_completion=False)
    app.command()(main)
    app(list(arguments), prog_name="python -m benchmarks gpu")


def _prepare_environment(device: str) -> None:
    """Sets what the processes of the sections inherit."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # "auto" is the CPU then, everywhere
    else:
        os.environ.setdefault("LM_ENVS_NATIVE", "0")  # compiling CPU kernels would take its time
