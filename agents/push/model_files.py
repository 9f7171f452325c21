"""A language model as files without code: a folder that `transformers` and `lm_envs` load.

Owns which files of a folder are sent. Knows nothing of hubs.
"""

from pathlib import Path

from agents.config.loading import UserError
from agents.language_model.export import VOCABULARY_FILES
from lm_envs.model.weight_files import WEIGHTS

CONFIG = "config.json"
MODEL_FILES = (WEIGHTS, CONFIG, "README.md", *VOCABULARY_FILES)
"""Every file of a model's repository; no other is sent or fetched."""


def is_model(folder: Path) -> bool:
    """Returns whether a folder holds a model."""
    return (folder / WEIGHTS).is_file() and (folder / CONFIG).is_file()


def names(folder: Path) -> list[str]:
    """Returns the names of the files of a model.

    Raises:
        UserError: If its weights are in shards, which are not sent.
    """
    if not is_model(folder):
        raise UserError(f"Got {folder}, which has no {WEIGHTS} and {CONFIG} in one folder.")
    return [name for name in MODEL_FILES if (folder / name).is_file()]
