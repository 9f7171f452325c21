"""`python -m agents.push RUN REPO`: sends an agent or a model to a hub. Only this command does.

Owns the options and the order: check everything, write the files, send them.
"""

import json
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from agents.config.finetune import FinetuneConfig
from agents.config.loading import UserError, reported
from agents.language_model.finetuning import MODEL
from agents.push import agent_files, hub, model_files
from agents.push.card import card
from agents.runs.files import write_text
from agents.runs.finished import read_finished
from agents.runs.manifest import CHECKPOINT_HELP, CHECKPOINTS
from lm_envs.validation import check_choice


def push(
    source: Path, repo: str, *, checkpoint: str = "last", is_private: bool = True
) -> dict[str, Any]:
    """Sends the agent of a run, or a language model.

    Args:
        source: Folder of a run of `agents.train`; of `agents.finetune`, whose model is sent; or of
            a model.
        repo: "user/name" on the Hugging Face Hub, or a folder such as ./hub/name.
        checkpoint: Of an agent: "last", or "best" by held-out reward.
        is_private: Whether a new repository on the hub can be seen by its owner alone.

    Returns:
        `address`, `kind` and `files`.

    Raises:
        UserError: If the folder holds neither, its files are damaged, or the hub cannot be used.
    """
    check_choice("checkpoint", checkpoint, CHECKPOINTS)
    hub.check_target(repo)
    if (model := _model_folder(source)) is not None:
        found = model_files.names(model)
        address = hub.send(model, found, repo, is_private=is_private)
        return {"address": address, "kind": "model", "files": found}
    config = read_finished(source, checkpoint)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found, step = agent_files.write_agent(source, folder, checkpoint)
        has_curve = agent_files.CURVE in found
        text = card(source, config, repo, step=step, has_curve=has_curve)
        write_text(folder / agent_files.CARD, text)
        found.append(agent_files.CARD)
        address = hub.send(folder, found, repo, is_private=is_private)
    return {"address": address, "kind": "agent", "files": found}


def _model_folder(source: Path) -> Path | None:
    """Returns the folder of the model to send; None if it is an agent."""
    if model_files.is_model(source):
        return source
    if (source / CHECKPOINTS["last"]).is_file() and isinstance(
        read_finished(source), FinetuneConfig
    ):
        return source / MODEL
    if not source.is_dir():
        raise UserError(f"Got {source}, but there is no such folder of a run or a model.")
    return None


def main(
    source: Annotated[Path, typer.Argument(help="folder of a run, or of a model")],
    repo: Annotated[str, typer.Argument(help="user/name on the hub, or a folder such as ./hub/x")],
    checkpoint: Annotated[str, typer.Option(help=CHECKPOINT_HELP)] = "last",
    public: Annotated[bool, typer.Option(help="whether everyone can see a new repository")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON, not the summary")] = False,
) -> None:
    """Sends an agent or a model to a hub: tensors, configuration, results and a card, no code."""
    with reported():
        result = push(source, repo, checkpoint=checkpoint, is_private=not public)
        if as_json:
            typer.echo(json.dumps(result))
        else:
            typer.echo(f"{result['kind']}: {result['address']}")
            typer.echo(f"files: {', '.join(result['files'])}")


if __name__ == "__main__":
    typer.run(main)
