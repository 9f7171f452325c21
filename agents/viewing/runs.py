"""The agent of a run folder, of `agents.train` and `agents.finetune` alike, with an environment.

Owns the environments in which a run is shown; its files are read by `agents.runs.finished`.
"""

from dataclasses import dataclass
from pathlib import Path

from stable_baselines3.common.base_class import BaseAlgorithm

from agents.config.imports import import_for_run
from agents.config.train import TrainConfig
from agents.runs.finished import load_agent, make_held_out_env, read_finished
from agents.runs.manifest import CHECKPOINTS
from agents.viewing.policies import ViewedPolicy, viewed_agent
from lm_envs.envs.base import EpisodicVectorEnv
from lm_envs.validation import check_choice


@dataclass(frozen=True, slots=True)
class ViewedRun:
    """A finished run whose agent shows its preferences.

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
        return make_held_out_env(self.config, split, num_rows)

    @property
    def title(self) -> str:
        """Name of the run and its environment."""
        return f"{self.config.name} on {self.config.env.id}"


def load_run(folder: Path, checkpoint: str = "last", *, trust_imports: bool = False) -> ViewedRun:
    """Loads a run.

    Args:
        folder: Of `agents.train` or `agents.finetune`.
        checkpoint: "last", or "best" by held-out reward.
        trust_imports: Whether the configuration may import modules; see `check_trusted`.

    Raises:
        UserError: If the folder has no checkpoint or no configuration, imports are not trusted, or
            the checkpoint does not fit the configuration.
    """
    check_choice("checkpoint", checkpoint, CHECKPOINTS)
    config = read_finished(folder, checkpoint)
    import_for_run(config, trusted=trust_imports)
    agent = load_agent(folder, config, checkpoint)
    return ViewedRun(config, agent, viewed_agent("agent", agent))
