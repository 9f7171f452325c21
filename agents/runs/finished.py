"""Trained agents from the folders of finished runs.

Owns what counts as finished, and as seeds of one configuration. Evaluates nothing.
"""

from collections.abc import Sequence
from pathlib import Path

from stable_baselines3.common.base_class import BaseAlgorithm

from agents.algorithms.factory import make_algorithm, make_training_env
from agents.config.loading import UserError
from agents.config.train import TrainConfig
from agents.runs import checkpoints
from agents.runs.checkpoints import CHECKPOINT
from agents.runs.folder import read_config, read_versions, versions


def read_configs(folders: Sequence[Path]) -> list[TrainConfig]:
    """Reads the configurations of finished runs that differ in their seed only.

    Raises:
        UserError: If a folder holds no finished run, the configurations differ in more than the
            seed, or a seed occurs twice.
    """
    configs = [_read_config(folder) for folder in folders]
    first = configs[0]
    for folder, config in zip(folders, configs, strict=True):
        if config.model_copy(update={"seed": first.seed}) != first:
            raise UserError(f"Got {folder}, which differs from {folders[0]} in more than its seed.")
    if len({config.seed for config in configs}) < len(configs):
        raise UserError("Got a seed twice; each run counts as a seed of its own. Give it once.")
    return configs


def load_agent(folder: Path, config: TrainConfig) -> BaseAlgorithm:
    """Builds the algorithm of a configuration and loads the checkpoint's parameters into it.

    Raises:
        UserError: If the checkpoint is damaged, or of another configuration, model or version.
    """
    agent = make_algorithm(config, make_training_env(config), None)
    load_fitting(agent, folder)
    return agent


def load_fitting(agent: BaseAlgorithm, folder: Path) -> None:
    """Loads the parameters of a run's checkpoint into its algorithm.

    Raises:
        UserError: If the file is damaged, or the parameters do not fit: they were written with
            another configuration, another model or another version.
    """
    try:
        checkpoints.load_parameters(agent, folder / CHECKPOINT)
    except UserError:
        raise
    except (RuntimeError, ValueError, LookupError) as error:
        here = versions()
        stored = read_versions(folder)
        names = ("lm_envs", "stable-baselines3", "torch")
        then, now = (", ".join(f"{n} {v.get(n, '?')}" for n in names) for v in (stored, here))
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"Got {folder}, whose {CHECKPOINT} does not fit its configuration and model: {reason}. "
            f"It was written with {then}; here are {now}. Restore its files and its model, or "
            "train again."
        ) from None


def _read_config(folder: Path) -> TrainConfig:
    if not (folder / CHECKPOINT).is_file():
        raise UserError(f"Got {folder}, which is no finished run; allowed: folders such as runs/….")
    return read_config(folder)
