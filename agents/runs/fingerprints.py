"""Fingerprints of what a run's numbers depend on: the language model's files and data files.

Owns which files count and their comparison. Knows nothing of run folders.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from agents.config.loading import UserError
from agents.config.train import TrainConfig
from agents.runs.manifest import file_hash
from lm_envs.model.loading import EMBEDDED, locate
from lm_envs.tasks.data.files import path_and_encoding

_MODEL_FILES = ("*.json", "*.txt", "*.safetensors")
"""Files of a model's folder that are loaded: weights, configuration, tokenizer; no model card."""


def fingerprints(config: TrainConfig) -> dict[str, str]:
    """Returns the SHA-256 of each file, by its role.

    The files are those of the language model, and every file or folder that a text in `env.kwargs`
    names: data sets, graphs, reducers. Data sets of a hub are not files and do not count.
    """
    kwargs = config.env.kwargs
    model = kwargs.get("model", EMBEDDED)
    folder = locate(model)
    found = {
        f"model {model}, {path.name}": file_hash(path)
        for pattern in _MODEL_FILES
        for path in sorted(folder.glob(pattern))
    }
    for key, text in _texts(kwargs, "env.kwargs"):
        # A plain word, such as the kind of an action, may have the name of a folder by chance.
        is_path = key == "env.kwargs.dataset" or Path(text).name != text or Path(text).suffix
        if is_path and key != "env.kwargs.model":
            found |= {f"{key} {path}": file_hash(path) for path in _files(text)}
    return found


def changed_files(stored: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    """Returns a phrase for each file that changed, is missing or is new."""
    phrases = []
    for name in sorted({*stored, *found}):
        before, now = stored.get(name), found.get(name)
        if before != now:
            state = "is missing" if now is None else "is new" if before is None else "has changed"
            digests = f"SHA-256 {(before or 'none')[:12]} at the start, {(now or 'none')[:12]} now"
            phrases.append(f"{name} {state} ({digests})")
    return phrases


def check_unchanged(stored: Mapping[str, str], found: Mapping[str, str], folder: Path) -> None:
    """Checks that the files of a run are those of its start.

    Args:
        stored: `fingerprints` at the start.
        found: `fingerprints` now.
        folder: Of the run, for the message.

    Raises:
        UserError: If one changed, is missing or is new; the message names it.
    """
    for phrase in changed_files(stored, found)[:1]:
        raise UserError(
            f"Got --resume for {folder}, but the file of {phrase}; restore it, or begin another "
            "run with --set name=…."
        )


def _texts(value: Any, key: str) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - a tree of values
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, Mapping):
        for name, each in value.items():
            yield from _texts(each, f"{key}.{name}")
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _texts(each, key)


def _files(text: str) -> list[Path]:
    """Returns the file that a text names, or the files in the folder that it names."""
    try:
        path, _ = path_and_encoding(text)
        if path.is_dir():
            return sorted(each for each in path.iterdir() if each.is_file())
        return [path] if path.is_file() else []
    except (OSError, ValueError):  # a text that is too long for a path; an unknown encoding
        return []
