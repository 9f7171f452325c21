"""`python -m agents.finetune CONFIG`: trains a language model itself by reinforcement learning.

A supervised start, then Stable-Baselines3's own PPO or A2C. Owns the command line; the stages live
in `agents.language_model.finetuning`.
"""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from agents.algorithms.factory import check_writes
from agents.config.finetune import FinetuneConfig
from agents.config.imports import TRUST_HELP, import_for_run, shown_flag
from agents.config.loading import load_config, reported
from agents.evaluation.samples import stage_samples
from agents.evaluation.stages import read_stages
from agents.evaluation.summary import print_files, print_stages
from agents.language_model.finetuning import MODEL, FinetuneRun
from agents.language_model.memory_estimate import keep_freed_memory
from agents.runs.files import write_json, write_text
from agents.runs.folder import RESULT, opened_run, versions
from agents.runs.tracking import TRACK_HELP, check_tracker


def finetune(
    config: FinetuneConfig,
    runs: Path,
    *,
    resume: bool = False,
    trust_imports: bool = False,
    checkpoint: str = "last",
    track: str = "tensorboard",
) -> dict[str, Any]:
    """Trains a language model.

    Args:
        config: Of the run.
        runs: Folder in which the run folder `<name>-s<seed>` is made.
        resume: Whether to continue from the run's checkpoint.
        trust_imports: Whether the configuration may import modules; see `check_trusted`.
        checkpoint: From which to resume: "last", or "best" by held-out reward.
        track: One of `TRACKERS`.

    Returns:
        `run` and `model`, their folders; `steps`; and `stages`, the measures of each stage.

    Raises:
        UserError: If the configuration imports modules without `trust_imports`, the environment
            writes no text, or the run folder exists already, is in use, cannot be resumed,
            disappears, or has another configuration.
        Interrupted: If SIGINT or SIGTERM arrived; the checkpoint of an agent is written first.
        FloatingPointError: If a loss, a gradient or a reward is NaN or infinite; the weights were
            not updated with it, and the last export is complete.
    """
    check_tracker(track)
    import_for_run(config, trusted=trust_imports)
    check_writes(config)
    with opened_run(config, runs, resume=resume, checkpoint=checkpoint, track=track) as opened:
        run = FinetuneRun(config, opened.folder, opened.session, opened.tracker)
        return _run(run, is_continued=opened.is_continued)


def _run(run: FinetuneRun, *, is_continued: bool) -> dict[str, Any]:
    """Runs all stages in an open run folder; returns the result of `finetune`."""
    if is_continued:
        run.resume()
    else:
        run.start()
    if run.config.total_timesteps:
        run.reinforce()
    run.keep_start()
    run.export()
    write_text(run.folder / "samples.md", stage_samples(run.stages))
    return {
        "run": str(run.folder),
        "model": str(run.folder / MODEL),
        "steps": run.agent.num_timesteps,
        "stages": {each.stage: each.summary for each in run.stages},
    }


def _print(folder: Path, config: FinetuneConfig) -> None:
    """Prints the stages, the first texts before and after, and where the files are."""
    console, split = Console(highlight=False), config.evaluation.split
    print_stages(read_stages(folder), f"{folder.name}: greedy on {split} prompts", console)
    files = {"model": folder / MODEL, "texts": folder / "samples.md", "JSON": folder / RESULT}
    command = f"python -m agents.enjoy {folder}{shown_flag(config)}"
    print_files({**files, "enjoy": command}, console)


def main(
    config: Annotated[Path, typer.Argument(help="YAML file such as configs/next_word_lm_ppo.yaml")],
    resume: Annotated[bool, typer.Option(help="continue from the run's checkpoint")] = False,
    checkpoint: Annotated[str, typer.Option(help="last or best, with --resume")] = "last",
    seed: Annotated[int | None, typer.Option(help="replaces the seed of the file")] = None,
    assignments: Annotated[list[str] | None, typer.Option("--set", help="key.key=value")] = None,
    runs: Annotated[Path, typer.Option(help="folder of the run folders")] = Path("runs"),
    track: Annotated[str, typer.Option(help=TRACK_HELP)] = "tensorboard",
    as_json: Annotated[bool, typer.Option("--json", help="print JSON, not the summary")] = False,
    trust_imports: Annotated[bool, typer.Option("--trust-imports", help=TRUST_HELP)] = False,
) -> None:
    """Trains a language model and writes model, checkpoint, logs and samples to one folder."""
    keep_freed_memory()
    with reported():
        extra = [] if seed is None else [f"seed={seed}"]
        settings = load_config(FinetuneConfig, config, [*(assignments or []), *extra])
        result = finetune(
            settings,
            runs,
            resume=resume,
            trust_imports=trust_imports,
            checkpoint=checkpoint,
            track=track,
        )
        document = {**result, "versions": versions()}
        write_json(Path(result["run"]) / RESULT, document)
        if as_json:
            typer.echo(json.dumps(document))
        else:
            _print(Path(result["run"]), settings)


if __name__ == "__main__":
    typer.run(main)
