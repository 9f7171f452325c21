"""Families of baselines: one rule with a setting, which is chosen on a split that is not evaluated.

Owns how a setting is chosen. Knows no rule and no task.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import typer

from agents.algorithms.factory import make_evaluation_env
from agents.config.loading import UserError
from agents.config.train import TrainConfig
from agents.evaluation.baselines import Policy
from agents.evaluation.rollouts import mean_scores, run_episodes
from lm_envs.envs.base import EpisodicVectorEnv
from lm_envs.envs.rows import Observations
from lm_envs.tasks.splits import SplitSpec
from lm_envs.transcript import Transcript
from lm_envs.validation import first_line

ROWS = 64

Setting = Any
"""A value that JSON can hold: a number, a text, a list, or None."""

Trial = tuple[Setting, float]
"""A setting and its mean reward."""

Search = Callable[[Callable[[Setting], float]], list[Trial]]
"""Tries settings, whose mean reward the argument computes; returns all trials."""


class Environments:
    """Held-out rows of one configuration, made when they are first used.

    Args:
        config: Of the run.
        num_rows: Largest number of rows.
        made: Rows of splits that exist already.
    """

    def __init__(
        self,
        config: TrainConfig,
        num_rows: int = ROWS,
        made: Mapping[str, EpisodicVectorEnv] | None = None,
    ) -> None:
        self.config = config
        self._num_rows = min(num_rows, config.env.n_envs)
        self._made: dict[tuple[str, str | None, int], EpisodicVectorEnv] = {
            (split, None, self._num_rows): env for split, env in (made or {}).items()
        }

    def get(self, split: str, actions: str | None = None, least_rows: int = 1) -> EpisodicVectorEnv:
        """Returns the rows of a split.

        Args:
            split: A split, or a part of one.
            actions: An action kind in place of the configuration's; None for its own.
            least_rows: Makes more rows where the usual number is smaller.
        """
        key = split, actions, max(self._num_rows, least_rows)
        if key not in self._made:
            config = self.config if actions is None else _with_actions(self.config, actions)
            self._made[key] = make_evaluation_env(config, split, key[2])
        return self._made[key]


Run = Callable[[Environments, str, np.ndarray, Setting, int], list[Transcript]]
"""Runs a baseline on examples (E,) of a split, with a setting and a seed."""


@dataclass(frozen=True, slots=True)
class Family:
    """A baseline with a setting.

    Attributes:
        name: As it is shown.
        search: Tries settings.
        run: Writes the completions for one setting.
        is_drawn: Whether the result depends on the seed.
        uses_reward: Whether it computes rewards of the very prompts that are evaluated, as best of
            n does. Such a search is no policy, so it is never the strongest baseline.
        is_cheap: Whether `agents.train` runs it too.
    """

    name: str
    search: Search
    run: Run
    is_drawn: bool = False
    uses_reward: bool = False
    is_cheap: bool = False


@dataclass(frozen=True, slots=True)
class Tuned:
    """A family with the setting that was chosen.

    Attributes:
        family: The family.
        setting: The setting of the highest mean reward; the first of several.
        trials: All settings that were tried, and their mean rewards.
        split: The split that the setting was chosen on.
        prompts: Number of prompts that each trial was judged by.
    """

    family: Family
    setting: Setting
    trials: tuple[Trial, ...]
    split: str
    prompts: int

    @property
    def reward(self) -> float:
        """Mean reward of the setting on the split that it was chosen on."""
        return max(reward for _, reward in self.trials)

    def record(self) -> dict[str, Any]:
        """Returns the choice for JSON."""
        return {
            "setting": self.setting,
            "reward": self.reward,
            "trials": [list(trial) for trial in self.trials],
            "chosen_on": self.split,
            "prompts": self.prompts,
            "uses_reward": self.family.uses_reward,
        }


def fixed(mean_reward: Callable[[Setting], float]) -> list[Trial]:
    """Returns the one trial of a baseline without a setting; it is a `Search`."""
    return [(None, mean_reward(None))]


def grid(*settings: Setting) -> Search:
    """Returns the search that tries each of the settings."""
    return lambda mean_reward: [(setting, mean_reward(setting)) for setting in settings]


Steps = tuple[Observations, np.ndarray, np.ndarray | None]
"""Observations (T, ...), actions (T, ...), and action masks (T, A) of discrete actions."""


@dataclass(frozen=True, slots=True)
class PolicyRun:
    """A `Run` of one policy, which an agent can imitate.

    Attributes:
        make: Returns the policy for rows, a split, the examples (E,) that it is judged by, a
            setting and a seed.
        actions: The action kind that the policy acts by; None for the configuration's own.
        steps: Returns the steps that an agent imitates for some examples, where they are not those
            of the policy.
    """

    make: Callable[[Environments, str, np.ndarray, Setting, int], Policy]
    actions: str | None = None
    steps: Callable[..., Steps] | None = None

    def __call__(
        self,
        environments: Environments,
        split: str,
        indices: np.ndarray,
        setting: Setting,
        seed: int,
    ) -> list[Transcript]:
        """Runs the policy on the examples (E,) of the split."""
        env = environments.get(split, self.actions)
        return run_episodes(env, self.make(environments, split, indices, setting, seed), indices)


def by_policy(make: Callable[[Setting, int], Policy], actions: str | None = None) -> PolicyRun:
    """Returns a run of the policy that `make` returns for a setting and a seed.

    Args:
        make: Returns the policy.
        actions: The action kind that the policy acts by; None for the configuration's own.
    """
    return PolicyRun(
        lambda environments, split, indices, setting, seed: make(setting, seed), actions
    )


def tuned(family: Family, environments: Environments, split: str, indices: np.ndarray) -> Tuned:
    """Chooses the setting of a family by its mean reward, with seed 0 where it draws.

    Args:
        family: The family.
        environments: Makes the rows.
        split: The split to choose on; must not be the one that is evaluated.
        indices: (E,) examples of this split.
    """

    def mean_reward(setting: Setting) -> float:
        return mean_scores(family.run(environments, split, indices, setting, 0))["reward"]

    trials = tuple(family.search(mean_reward))
    best = max(trials, key=lambda trial: trial[1])  # the first of equal ones
    return Tuned(family, best[0], trials, split, len(indices))


def choice_split(environments: Environments, evaluated: str) -> str:
    """Returns the split on which settings are chosen: that of the evaluations during training.

    If that split itself is evaluated, or the examples have no such split, it is "validation", the
    split that the agent learns from, or "train": the first without an evaluated example.

    Raises:
        UserError: If the examples have no split beside the evaluated one.
    """
    judged = SplitSpec.parse(evaluated)
    reasons = []
    config = environments.config
    for split in (config.evaluation.split, "validation", config.env.split, "train"):
        if SplitSpec.parse(split).is_disjoint(judged):
            try:
                environments.get(split)
            except ValueError as error:
                reasons.append(first_line(error))
            else:
                return split
    raise UserError(
        f"Got split={evaluated!r} and no other split to choose baselines on "
        f"({' '.join(reasons) or 'the agent learned from it'}); allowed: data with two splits."
    )


def has_scikit_learn(baseline: str) -> bool:
    """Returns whether scikit-learn is installed; reports that a baseline is left out if not."""
    try:
        import sklearn  # noqa: F401 - of the extra "dev"
    except ImportError:
        typer.echo(f"The baseline {baseline!r} is left out: pip install scikit-learn.", err=True)
        return False
    return True


def _with_actions(config: TrainConfig, actions: str) -> TrainConfig:
    """Returns the configuration with another action kind, and observations that fit it."""
    kwargs = {**config.env.kwargs, "actions": actions}
    kwargs.pop("observation", None)
    return config.model_copy(update={"env": config.env.model_copy(update={"kwargs": kwargs})})
