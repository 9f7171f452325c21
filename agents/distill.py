"""`python -m agents.distill RUN`: teaches the language model what a trained agent chooses.

Owns the command line; the stages live in `agents.imitation`.
"""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from agents.config.distill import ImitationConfig
from agents.config.imports import TRUST_HELP, import_for_run
from agents.config.loading import read_assignments, reported
from agents.evaluation.stages import read_stages
from agents.evaluation.summary import print_files, print_stages, rounded
from agents.imitation.runs import DOCUMENT, MODEL, distill_agent
from agents.runs.finished import read_configs
from agents.runs.folder import versions
from agents.runs.session import stopped_at_once

RESULTS = "distilled"
"""Folder of the results, in the run folder."""


def distill(
    folder: Path,
    settings: ImitationConfig,
    output: Path | None = None,
    *,
    trust_imports: bool = False,
) -> dict[str, Any]:
    """Teaches the language model of a finished run what its agent chooses.

    Args:
        folder: Of a run of `agents.train`, with any algorithm.
        settings: How the model learns.
        output: Folder of the results; None for `distilled` in the run folder.
        trust_imports: Whether the run's configuration may import modules; see `check_trusted`.

    Returns:
        The result of `distill_agent`.

    Raises:
        UserError: If the folder holds no finished run, its environment writes no text, or another
            process writes the results.
        ValueError: If an episode of the environment has several turns.
        Interrupted: If SIGINT or SIGTERM arrived.
    """
    (config,) = read_configs([folder])
    import_for_run(config, trusted=trust_imports)
    target = output or folder / RESULTS
    with stopped_at_once(
        f"Stopped the distillation of {folder}, which writes {target} at its end; repeat the "
        "command to begin it again."
    ):
        return distill_agent(folder, config, settings, target)


def _print(result: dict[str, Any]) -> None:
    """Prints the model before and after, the agent's reward, texts, and where the files are."""
    console, folder = Console(highlight=False), Path(result["model"]).parent
    print_stages(read_stages(folder), "the language model, greedy on held-out prompts", console)
    rewards = (f"{rounded(result[key]):.3f}" for key in ("agent", "lessons"))
    line = "The agent's held-out reward is {}, that of the texts learned from {}."
    console.print(f"\n{line.format(*rewards)}")
    files = {"model": folder / MODEL, "texts": folder / "samples.md", "JSON": folder / DOCUMENT}
    print_files(files, console)


def main(
    run: Annotated[Path, typer.Argument(help="run folder of agents.train")],
    assignments: Annotated[list[str] | None, typer.Option("--set", help="key=value")] = None,
    output: Annotated[Path | None, typer.Option(help="folder; default RUN/distilled")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON, not the summary")] = False,
    trust_imports: Annotated[bool, typer.Option("--trust-imports", help=TRUST_HELP)] = False,
) -> None:
    """Trains the language model on an agent's choices and exports it as a model folder."""
    with reported():
        settings = read_assignments(ImitationConfig, assignments or [])
        result = distill(run, settings, output, trust_imports=trust_imports)
        if as_json:
            typer.echo(json.dumps({**result, "versions": versions()}))
        else:
            _print(result)


if __name__ == "__main__":
    typer.run(main)
