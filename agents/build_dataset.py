"""`python -m agents.build_dataset passages`: writes a dataset of texts that people wrote.

Owns the list of datasets. Needs the extra `lm_envs[corpus]`; the same sources give the same bytes.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated

import typer

from agents.config.loading import reported
from agents.corpus import interface_messages, passages
from agents.runs.files import write_jsonl
from lm_envs.validation import check_choice

DATASETS: dict[str, Callable[[], Iterable[dict[str, str]]]] = {
    "passages": passages.questions,
    "messages": interface_messages.messages,
    "program_messages": interface_messages.program_messages,
}
"""Questions about histories of countries; interface messages in English and French, of JupyterLab
and of eleven programs."""

FOLDER = Path("runs/data")


def build(name: str, folder: Path = FOLDER) -> Path:
    """Writes `folder/NAME.jsonl`, whose rows name their split, and returns its path.

    Raises:
        ModuleNotFoundError: If the package with the sources is not installed.
        OSError: If sources that are downloaded cannot be had.
        ValueError: If the name is unknown.
    """
    check_choice("NAME", name, DATASETS)
    path = folder / f"{name}.jsonl"
    write_jsonl(path, DATASETS[name]())
    return path


def main(
    name: Annotated[str, typer.Argument(help="dataset to write: " + ", ".join(DATASETS))],
    folder: Annotated[Path, typer.Option(help="folder of the file")] = FOLDER,
) -> None:
    """Writes a dataset as JSONL and prints its path, for `env.kwargs.dataset` of a config."""
    with reported():
        typer.echo(build(name, folder))


if __name__ == "__main__":
    typer.run(main)
