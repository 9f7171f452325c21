"""`python -m agents.pretrain CONFIG [--resume] [--export FOLDER]`: pretrains the embedded GPT-2.

Owns the command line and the result file; the optimization lives in
`agents.language_model.pretraining`.
"""

import json
from pathlib import Path
from typing import Annotated

import typer

from agents.config.loading import load_config, reported
from agents.config.pretrain import PretrainConfig
from agents.corpus.documents import PARTS
from agents.evaluation.plots import loss_curve
from agents.language_model.model_card import write_model_folder
from agents.language_model.pretraining import pretrain
from agents.runs.files import write_json
from agents.runs.logs import read_metrics


def main(
    config: Annotated[Path, typer.Argument(help="YAML file")],
    resume: Annotated[bool, typer.Option(help="continue from the last checkpoint")] = False,
    checkpoint: Annotated[str, typer.Option(help="last or best, with --resume")] = "last",
    assignments: Annotated[list[str] | None, typer.Option("--set", help="key=value")] = None,
    export: Annotated[Path | None, typer.Option(help="folder for the finished model")] = None,
) -> None:
    """Pretrains a GPT-2 on the offline corpus, on the CPU, and exports it."""
    with reported():
        settings = load_config(PretrainConfig, config, assignments or [])
        run = pretrain(settings, resume=resume, checkpoint=checkpoint)
        folder = Path(settings.run)
        log = read_metrics(folder)
        loss_curve(log, folder / "loss.png")
        result = {
            "steps": run.step,
            "tokens": run.step * settings.batch_size * settings.context,
            "minutes": round(run.seconds / 60, 1),
            "held_out": {part: round(log[-1]["held_out"][part], 3) for part in PARTS},
        }
        write_json(folder / "result.json", result)
        if export is not None:
            write_model_folder(run.model, folder / "tokenizer.json", result, config, export)
        typer.echo(json.dumps(result))


if __name__ == "__main__":
    typer.run(main)
