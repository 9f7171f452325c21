"""The configuration of `python -m agents.train`; the YAML keys are these names."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Self

import gymnasium as gym
import sb3_contrib
import stable_baselines3
from pydantic import (
    AfterValidator,
    Field,
    NonNegativeInt,
    PositiveInt,
    field_validator,
    model_validator,
)
from stable_baselines3.common.base_class import BaseAlgorithm

import lm_envs
from agents.algorithms.ars import RandomSearch
from agents.algorithms.group_baseline import GROUPED
from agents.algorithms.tabular_q import TabularQ
from agents.config.env_ids import check_env_id, check_form
from agents.config.loading import Config, KeyedValueError, refuse_quoted_numbers
from agents.config.parameters import check_arguments, init_parameters
from lm_envs.tasks.splits import ALLOWED, SplitSpec
from lm_envs.validation import did_you_mean

gym.register_envs(lm_envs)

ActsOn = Literal["discrete", "continuous", "both"]


def _known_split(split: str) -> str:
    try:
        SplitSpec.parse(split)
    except ValueError:
        raise ValueError(f"allowed: {ALLOWED}") from None
    return split


Split = Annotated[str, AfterValidator(_known_split)]
"""A split of a task's examples, or a part of one; see `SplitSpec`."""


@dataclass(frozen=True, slots=True)
class Algorithm:
    """A class of Stable-Baselines3's kind, the actions it can choose among, its usual policy."""

    kind: type[BaseAlgorithm]
    acts_on: ActsOn
    policy: str = "MlpPolicy"


ALGORITHMS: dict[str, Algorithm] = {
    "PPO": Algorithm(stable_baselines3.PPO, "both"),
    "A2C": Algorithm(stable_baselines3.A2C, "both"),
    "TRPO": Algorithm(sb3_contrib.TRPO, "both"),
    "MaskablePPO": Algorithm(sb3_contrib.MaskablePPO, "discrete"),
    "RecurrentPPO": Algorithm(sb3_contrib.RecurrentPPO, "both", "MlpLstmPolicy"),
    "ARS": Algorithm(RandomSearch, "both", "LinearPolicy"),
    "DQN": Algorithm(stable_baselines3.DQN, "discrete"),
    "QRDQN": Algorithm(sb3_contrib.QRDQN, "discrete"),
    "SAC": Algorithm(stable_baselines3.SAC, "continuous"),
    "TD3": Algorithm(stable_baselines3.TD3, "continuous"),
    "DDPG": Algorithm(stable_baselines3.DDPG, "continuous"),
    "TQC": Algorithm(sb3_contrib.TQC, "continuous"),
    "CrossQ": Algorithm(sb3_contrib.CrossQ, "continuous"),
    "TabularQ": Algorithm(TabularQ, "discrete", "TablePolicy"),
}
"""Algorithms by name.

DQN to CrossQ keep a replay buffer of `buffer_size` transitions, a million by default: set it in
`algorithm.kwargs`. ARS divides the rows among its 2 `n_delta` candidates, each of which plays
`n_eval_episodes` episodes an update: their product should be a multiple of `n_envs`. TabularQ needs
discrete observations: use a reducer.
"""

ORACLE = "oracle"
"""The policy that is imitated unless a baseline is named."""

WARMED_UP = ("PPO", "A2C", "MaskablePPO")
"""Algorithms whose critic can learn alone."""

CONTINUOUS_KINDS = ("embedding",)
"""Kinds of `env.kwargs.actions` with a `Box` space; the others of this library are discrete."""

TUNING: dict[str, ActsOn] = {
    "lm_envs/WeightTuning-v0": "continuous",
    "lm_envs/TrainingControl-v0": "continuous",
    "lm_envs/StructureSearch-v0": "discrete",
    "lm_envs/CacheEviction-v0": "discrete",
}
"""Environments that adjust the model instead of writing text, and their kind of actions."""

_OWN_ARGUMENTS = {"policy", "env", "seed", "tensorboard_log", "verbose"}


class EnvConfig(Config):
    """The environment, the number of rows, its arguments, and the split to train on.

    The embedded model was pretrained on the split "train" of every task: there its samples hardly
    differ in reward. The other splits were held out.
    """

    id: str
    n_envs: PositiveInt = 64
    split: Split = "train"
    kwargs: dict[str, Any] = Field(default_factory=dict)

    @field_validator("id")
    @classmethod
    def _well_formed(cls, name: str) -> str:
        check_form(name)
        return name

    @field_validator("kwargs")
    @classmethod
    def _numbers(cls, kwargs: dict[str, Any]) -> dict[str, Any]:
        refuse_quoted_numbers(kwargs)
        return kwargs

    @property
    def acts_on(self) -> ActsOn:
        """Whether its actions are discrete or continuous; "both" if only the environment knows."""
        spec = self.kwargs.get("actions")
        kind = spec.get("kind") if isinstance(spec, dict) else spec
        is_foreign = ":" in str(kind) or not self.id.startswith("lm_envs/")
        if is_foreign and kind not in CONTINUOUS_KINDS:
            return "both"
        return TUNING.get(self.id) or ("continuous" if kind in CONTINUOUS_KINDS else "discrete")


class AlgorithmConfig(Config):
    """Which algorithm, and its arguments; a learning rate `lin_3.0e-4` falls linearly to 0.

    Attributes:
        name: One of `ALGORITHMS`.
        policy: None for the algorithm's usual one; "CandidatePolicy" and "CandidateQPolicy" are
            those of `agents.algorithms.candidate_policy`, "PartPolicy" that of `part_policy`.
        kwargs: Of its constructor.
    """

    name: str
    policy: str | None = None
    kwargs: dict[str, Any] = Field(default_factory=dict)

    @field_validator("name")
    @classmethod
    def _listed(cls, name: str) -> str:
        if name not in ALGORITHMS:
            raise ValueError(
                f"allowed: {', '.join(map(repr, ALGORITHMS))}.{did_you_mean(name, ALGORITHMS)}"
            )
        return name

    @field_validator("kwargs")
    @classmethod
    def _known(cls, kwargs: dict[str, Any], info: Any) -> dict[str, Any]:  # noqa: ANN401
        algorithm = ALGORITHMS.get(info.data.get("name", ""))
        allowed = set(kwargs)
        if algorithm:
            named = init_parameters(algorithm.kind) - _OWN_ARGUMENTS
            allowed = {name for name in named if not name.startswith("_")}
        if unknown := sorted(set(kwargs) - allowed):
            raise ValueError(
                f"unknown argument {unknown[0]!r}; allowed: {', '.join(sorted(allowed))}."
                f"{did_you_mean(unknown[0], allowed)}"
            )
        refuse_quoted_numbers(kwargs)
        if algorithm:
            check_arguments(algorithm.kind, kwargs)
        return kwargs


class EvaluationConfig(Config):
    """Held-out prompts to judge the agent by, and how often, in environment steps."""

    split: Split = "validation"
    episodes: PositiveInt = 128
    every: PositiveInt = 50_000


class TrainConfig(Config):
    """A training run.

    Attributes:
        name: Of the run folder, `runs/<name>-s<seed>`.
        clone_epochs: Epochs of behavior cloning before the training: the policy learns the actions
            of `clone_policy` on up to 4,000 examples of `env.split`. 0 for none. The module
            `agents.baselines.cloning` lists the algorithms that support it.
        clone_policy: "oracle", or the name of a baseline that `agents.baselines` shows for the
            environment; its setting is the best on `evaluation.split`. "imitated search" has none:
            the agent learns what its longest search found.
        clone_plans: File of what the imitated search found, which may take an hour: written by the
            first run and read by others; "" for none.
        value_warm_up: Environment steps at the start in which only the critic learns, of PPO, A2C
            and MaskablePPO. After `clone_epochs` an untrained critic would move the clone.
        group_size: G, rows that have one prompt, of PPO, A2C, TRPO and MaskablePPO; a divisor of
            `env.n_envs`. The mean advantage of the others at the same step is subtracted from each
            row's, see `agents.algorithms.group_baseline`. 1 for none.
        total_timesteps: Environment steps, counted over all rows.
        checkpoint_every: Environment steps between checkpoints.
        max_replay_mb: Largest replay buffer that a checkpoint stores, MiB; a larger one restarts
            empty when the run is resumed. 0 stores none.
        keep_best: Whether to keep the checkpoint of the highest held-out reward too.
        stop_at_reward: Stop once the held-out reward reaches this.
        seed: Of the algorithm, 0 to 2^32 - 1; the environment's is drawn from it and the name, see
            `environment_seed`.
        imports: Modules imported before the environment is made, such as those that register an
            id; needs `--trust-imports`.
        may_change: Keys that may differ when a run goes on; the budget may only be raised.
    """

    may_change: ClassVar[tuple[str, ...]] = (
        "evaluation",
        "stop_at_reward",
        "checkpoint_every",
        "keep_best",
        "max_replay_mb",
        "total_timesteps",
    )

    name: str = Field(pattern=r"^[\w.-]+$")
    env: EnvConfig
    algorithm: AlgorithmConfig
    total_timesteps: PositiveInt
    clone_epochs: NonNegativeInt = 0
    clone_policy: str = ORACLE
    clone_plans: str = ""
    value_warm_up: NonNegativeInt = 0
    group_size: PositiveInt = 1
    evaluation: EvaluationConfig = EvaluationConfig()
    checkpoint_every: PositiveInt = 100_000
    keep_best: bool = True
    max_replay_mb: NonNegativeInt = 1024
    stop_at_reward: float | None = None
    seed: int = Field(default=0, ge=0, lt=2**32)
    imports: Annotated[tuple[str, ...], Field(strict=False)] = ()  # YAML has lists only

    @property
    def compared_rows(self) -> int:
        """Rows whose advantages a rollout buffer of `group_baseline` compares; 1 for none."""
        return self.group_size

    @property
    def folder_name(self) -> str:
        """Name of the run folder, `<name>-s<seed>`."""
        return f"{self.name}-s{self.seed}"

    def with_env_kwargs(self, **changes: Any) -> Self:  # noqa: ANN401 - of an environment
        """Returns the configuration with other values of some arguments of the environment."""
        env = self.env.model_copy(update={"kwargs": {**self.env.kwargs, **changes}})
        return self.model_copy(update={"env": env})

    @model_validator(mode="after")
    def _registered(self) -> Self:
        if self.imports and self.env.id not in gym.registry:
            return self  # one of the modules may register it; checked after the imports
        try:
            check_env_id(self.env.id)
        except ValueError as error:
            raise KeyedValueError("env.id", self.env.id, str(error)) from None
        return self

    @model_validator(mode="after")
    def _has_critic(self) -> Self:
        if self.value_warm_up and self.algorithm.name not in WARMED_UP:
            raise KeyedValueError(
                "value_warm_up",
                self.value_warm_up,
                f"allowed with algorithm.name={self.algorithm.name!r}: 0; others are for "
                f"{', '.join(WARMED_UP)}",
            )
        return self

    @model_validator(mode="after")
    def _grouped(self) -> Self:
        if self.group_size == 1:
            return self
        allowed = ""
        if self.algorithm.name not in GROUPED:
            allowed = f"with algorithm.name={self.algorithm.name!r}: 1; others are for "
            allowed += ", ".join(GROUPED)
        elif self.env.n_envs % self.group_size:
            allowed = f"a divisor of env.n_envs={self.env.n_envs}"
        elif "group_size" in self.env.kwargs:
            allowed = "without env.kwargs.group_size, which the run then sets itself"
        if allowed:
            raise KeyedValueError("group_size", self.group_size, f"allowed {allowed}")
        return self

    @model_validator(mode="after")
    def _held_out(self) -> Self:
        learned, judged = SplitSpec.parse(self.env.split), SplitSpec.parse(self.evaluation.split)
        if not learned.is_disjoint(judged):
            raise ValueError(
                f"env.split and evaluation.split are both of {judged.name!r}; what is learned from "
                "is not held out: choose another, or parts without common examples, such as "
                "'validation[:75%]' and 'validation[75%:]'"
            )
        return self
