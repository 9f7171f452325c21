"""The agent of a run folder, of `agents.train` and `agents.finetune` alike, with an environment.

Owns which files tell the kind of a run, and the errors of runs that cannot be shown.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from stable_baselines3.common.base_class import BaseAlgorithm

from agents.algorithms.factory import make_evaluation_env
from agents.config.finetune import FinetuneConfig
from agents.config.imports import import_for_run
from agents.config.loading import UserError, load_config
from agents.config.train import TrainConfig
from agents.language_model.finetuning import FinetuneRun, with_one_precision
from agents.runs.checkpoints import CHECKPOINT
from agents.runs.finished import load_agent, load_fitting
from agents.runs.folder import CONFIG
from agents.viewing.policies import ViewedPolicy, viewed_agent
from lm_envs.envs.base import EpisodicVectorEnv

ONLY_FINETUNING = frozenset(FinetuneConfig.model_fields) - frozenset(TrainConfig.model_fields)


@dataclass(frozen=True, slots=True)
class LoadedRun:
    """A finished run.

    Attributes:
        config: Its configuration.
        agent: Its algorithm, with the weights of the checkpoint.
        policy: The agent, named after the run.
    """

    config: TrainConfig
    agent: BaseAlgorithm
    policy: ViewedPolicy

    def environment(self, split: str, num_rows: int) -> EpisodicVectorEnv:
        """Returns rows on a split, in the autoreset mode DISABLED."""
        config = self.config
        if isinstance(config, FinetuneConfig):
            config = with_one_precision(config)
        return make_evaluation_env(config, split, num_rows)

    @property
    def title(self) -> str:
        """Name of the run and its environment."""
        return f"{self.config.name} on {self.config.env.id}"


def load_run(folder: Path, *, trust_imports: bool = False) -> LoadedRun:
    """Loads a run.

    Args:
        folder: Of `agents.train` or `agents.finetune`.
        trust_imports: Whether the configuration may import modules; see `check_trusted`.

    Raises:
        UserError: If the folder has no checkpoint or no configuration, imports are not trusted, or
            the checkpoint does not fit the configuration.
    """
    if not (folder / CHECKPOINT).is_file():
        raise UserError(
            f"Got {folder}, which has no {CHECKPOINT}; allowed: a run of agents.train or "
            "agents.finetune, such as runs/next_word_ppo-s0."
        )
    kind = FinetuneConfig if _keys(folder / CONFIG) & ONLY_FINETUNING else TrainConfig
    config: Any = load_config(kind, folder / CONFIG)
    import_for_run(config, trusted=trust_imports)
    if isinstance(config, FinetuneConfig):
        agent: BaseAlgorithm = FinetuneRun(config, folder).agent
        load_fitting(agent, folder)
    else:
        agent = load_agent(folder, config)
    return LoadedRun(config, agent, viewed_agent("agent", agent))


def _keys(path: Path) -> set[str]:
    """Returns the keys of a YAML file; none if it cannot be read, which `load_config` reports."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError):
        return set()
    return set(values) if isinstance(values, dict) else set()
