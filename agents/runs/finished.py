"""Trained agents from the folders of finished runs.

Owns what counts as finished, and as seeds of one configuration. Evaluates nothing.
"""

import textwrap
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm

from agents.algorithms.factory import make_algorithm, make_evaluation_env, make_training_env
from agents.config.finetune import FinetuneConfig
from agents.config.imports import import_for_run
from agents.config.loading import UserError
from agents.config.train import TrainConfig
from agents.evaluation.rollouts import agent_policy
from agents.language_model.finetuning import make_agent, with_one_precision
from agents.language_model.kl_penalty import KLPenalty
from agents.runs import checkpoints
from agents.runs.fingerprints import changed_files, fingerprints
from agents.runs.folder import RESULT, differences, read_config, read_versions, versions
from agents.runs.manifest import CHECKPOINTS
from lm_envs.envs.base import EpisodicVectorEnv
from lm_envs.validation import check_choice


def read_configs(folders: Sequence[Path]) -> list[TrainConfig]:
    """Reads the configurations of finished runs that differ in their seed only.

    Raises:
        UserError: If a folder holds no finished run, the configurations differ in more than the
            seed, or a seed occurs twice.
    """
    configs = [read_finished(folder) for folder in folders]
    first = configs[0]
    for folder, config in zip(folders, configs, strict=True):
        others = [each for each in differences(config, first) if each[0] != "seed"]
        if others:
            named = ", ".join(f"{key}={own!r} (there: {there!r})" for key, own, there in others)
            raise UserError(
                f"Got {folder}, which differs from {folders[0]} in more than its seed: {named}; "
                "allowed: seeds of one configuration. Evaluate each run in a command of its own."
            )
    if len({config.seed for config in configs}) < len(configs):
        raise UserError("Got a seed twice; each run counts as a seed of its own. Give it once.")
    return configs


def load_agent(folder: Path, config: TrainConfig, checkpoint: str = "last") -> BaseAlgorithm:
    """Builds the algorithm of a configuration and loads a checkpoint's parameters into it.

    It warns if a file of the language model or of the data is not that of the run's start.

    Raises:
        UserError: If the checkpoint is damaged, or of another configuration, model or version.
    """
    check_choice("checkpoint", checkpoint, CHECKPOINTS)
    agent = untrained_agent(config)
    _load_fitting(agent, folder / CHECKPOINTS[checkpoint])
    _warn_of_changed_files(folder, config)
    return agent


def untrained_agent(config: TrainConfig) -> BaseAlgorithm:
    """Builds the algorithm of a configuration of `agents.train` or `agents.finetune`."""
    if isinstance(config, FinetuneConfig):
        env = make_training_env(with_one_precision(config))
        return make_agent(config, KLPenalty(env, **config.kl.model_dump()))
    return make_algorithm(config, make_training_env(config), None)


class LoadedPolicy:
    """Observations of the rows of an environment to an agent's deterministic actions.

    It masks actions for MaskablePPO and keeps the states of RecurrentPPO, so it has to be called at
    every step.

    Args:
        agent: Chooses the actions.
        env: Whose observations it gets.
    """

    def __init__(self, agent: BaseAlgorithm, env: EpisodicVectorEnv) -> None:
        self.agent = agent
        self._env, self._act = env, agent_policy(agent)

    def __call__(self, observations: Any) -> np.ndarray:  # noqa: ANN401 - of any space
        """Returns actions (N, ...) for observations (N, ...)."""
        return self._act(self._env, observations)


class LoadedRun(NamedTuple):
    """What `load` returns.

    Attributes:
        policy: Returns actions for observations of `env`.
        env: N rows on a held-out split, in autoreset mode DISABLED.
    """

    policy: LoadedPolicy
    env: EpisodicVectorEnv


def load(
    folder: str | Path,
    *,
    split: str | None = None,
    num_envs: int = 1,
    checkpoint: str = "last",
    trust_imports: bool = False,
) -> LoadedRun:
    """Returns the policy of a run of `agents.train` or `agents.finetune`, and an environment.

    Args:
        folder: Of the run, such as "runs/next_word_ppo-s0".
        split: Split of the environment's examples; None for the run's `evaluation.split`.
        num_envs: Rows of the environment.
        checkpoint: "last", or "best" by held-out reward.
        trust_imports: Whether the stored configuration may import modules; see `check_trusted`.

    Raises:
        UserError: If the folder holds no run, its files are damaged, or its configuration imports
            modules without `trust_imports`.
    """
    check_choice("checkpoint", checkpoint, CHECKPOINTS)
    folder = Path(folder)
    config = read_finished(folder, checkpoint)
    import_for_run(config, trusted=trust_imports)
    agent = load_agent(folder, config, checkpoint)
    env = make_held_out_env(config, split or config.evaluation.split, num_envs)
    return LoadedRun(LoadedPolicy(agent, env), env)


def make_held_out_env(config: TrainConfig, split: str, num_rows: int) -> EpisodicVectorEnv:
    """Returns rows on a split for the agent of `load_agent`, in autoreset mode DISABLED."""
    if isinstance(config, FinetuneConfig):
        config = with_one_precision(config)
    return make_evaluation_env(config, split, num_rows)


def read_finished(folder: Path, checkpoint: str = "last") -> TrainConfig:
    """Reads the configuration of a run that has a checkpoint.

    Raises:
        UserError: If the folder has none, or no readable configuration.
    """
    name = CHECKPOINTS[checkpoint]
    if not (folder / name).is_file():
        raise UserError(
            f"Got {folder}, which has no {name}; allowed: a run of agents.train or "
            "agents.finetune, such as runs/next_word_ppo-s0."
        )
    return read_config(folder)


def is_trained(config: TrainConfig, folder: Path, option: str) -> bool:
    """Returns whether a run folder holds the result of a configuration.

    Args:
        config: Of the run.
        folder: Of the run; it may be missing.
        option: Names the option that gives another folder, for the error message.

    Raises:
        UserError: If the folder has the result of another configuration.
    """
    if not (folder / RESULT).is_file():
        return False
    if others := differences(read_config(folder), config):
        key, stored, given = others[0]
        raise UserError(
            f"Got {key}={given!r} for {folder}, which was trained with {stored!r}; delete the "
            f"folder, or use another {option}."
        )
    return True


def _warn_of_changed_files(folder: Path, config: TrainConfig) -> None:
    stored: Any = read_versions(folder).get("files")
    if isinstance(stored, dict):  # runs of version 0.1 have none
        for phrase in changed_files(stored, fingerprints(config))[:1]:
            warnings.warn(
                f"Got {folder}, but the file of {phrase}: the agent was trained with the former "
                "one, and its rewards may differ. Restore the file, or train again.",
                stacklevel=3,
            )


def _load_fitting(agent: BaseAlgorithm, path: Path) -> None:
    """Loads the parameters of a checkpoint into an algorithm.

    Raises:
        UserError: If the file is damaged, or the parameters do not fit: they were written with
            another configuration, another model or another version.
    """
    try:
        checkpoints.load_parameters(agent, path)
    except UserError:
        raise
    except (RuntimeError, ValueError, LookupError) as error:
        here = versions()
        stored = read_versions(path.parent)
        names = ("lm_envs", "stable-baselines3", "torch")
        then, now = (", ".join(f"{n} {v.get(n, '?')}" for n in names) for v in (stored, here))
        reason = textwrap.shorten(str(error), 200, placeholder=" …")
        raise UserError(
            f"Got {path.parent}, whose {path.name} does not fit its configuration and model: "
            f"{reason}. It was written with {then}; here are {now}. Restore its files and its "
            "model, or train again."
        ) from None
