"""Configuration of `python -m agents.finetune`; the attributes are the YAML keys."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Self

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)
from pydantic import field_validator as validates

from agents.config.loading import Config, KeyedValueError, load_config, read_values
from agents.config.train import AlgorithmConfig, EnvConfig, TrainConfig
from agents.language_model.buffer import GROUPED, Advantage
from agents.language_model.kl_penalty import NO_K3, Estimator
from agents.language_model.lora import LoRA
from agents.language_model.nlpo_mask import NLPOMaskSpec

ALGORITHMS = ("PPO", "A2C")
SPACES = {"actions": "vocabulary", "observation": "tokens"}
"""Arguments of the environment that a language-model policy requires."""

_OWN_KWARGS = ("policy_kwargs", "rollout_buffer_class", "rollout_buffer_kwargs")


class WarmStartConfig(Config):
    """Supervised training on the references of the training split; see `warm_start`."""

    steps: PositiveInt = 100
    learning_rate: PositiveFloat = 1e-4
    batch_size: PositiveInt = 32


class DistillationConfig(Config):
    """Supervised training on the best of the model's own completions; see `distill`."""

    rounds: PositiveInt = 50
    prompts: PositiveInt = 32
    n: PositiveInt = 4
    learning_rate: PositiveFloat = 1e-4


class KLConfig(Config):
    """Penalty for the divergence from the frozen model; see `KLPenalty`."""

    coefficient: NonNegativeFloat = 0.1
    target: PositiveFloat | None = None
    estimator: Estimator = "k1"

    @validates("estimator", mode="before")
    @classmethod
    def _usable(cls, estimator: object) -> object:
        if estimator == "k3":
            raise ValueError(NO_K3)
        return estimator


class MaskConfig(Config):
    """Restriction of the tokens that may be chosen; see `NLPOMaskSpec`."""

    top_k: int | None = None
    top_p: float | None = None
    every: int = 10

    @model_validator(mode="after")
    def _masks(self) -> Self:
        self.make()
        return self

    def make(self) -> NLPOMaskSpec:
        """Returns the policy's argument."""
        return NLPOMaskSpec(**self.model_dump())


class LoRAConfig(Config):
    """Adapters that are trained in place of the weights; see `LoRA`."""

    rank: int = 8
    alpha: float = 16.0
    layers: list[str] | None = None

    @model_validator(mode="after")
    def _adapts(self) -> Self:
        self.make()
        return self

    def make(self) -> LoRA:
        """Returns the policy's argument."""
        layers = None if self.layers is None else tuple(self.layers)
        return LoRA(self.rank, self.alpha, layers)


class FinetuneConfig(TrainConfig):
    """A run that trains the language model itself.

    Attributes:
        advantage: Of `EpisodeRolloutBuffer`. With "group" and "rloo" `normalize_advantage` is off.
            "group" divides by the deviation in a group also where all texts earn the same: what is
            left is then the KL penalty alone, at full size. Where few texts earn anything, as with
            verified answers at first, take "rloo", or `kl.coefficient: 0`.
        group_size: Rows that write one prompt with "group" and "rloo", a divisor of `env.n_envs`.
        temperature: Divides logits, in rollouts and in updates.
        bfloat16: Of `LanguageModelPolicy`. On a GPU it also selects the dtype of the environment
            and of rollouts, unless `env.kwargs.dtype` does: bfloat16 if set, else float32.
        gradient_checkpointing: Of `LanguageModelPolicy`.
        lora: Of `LanguageModelPolicy`; the arguments of `LoRA`.
        mask: Of `LanguageModelPolicy`; the arguments of `NLPOMaskSpec`.
        warm_start: Supervised stage; None skips it.
        distillation: Best-of-n stage before reinforcement learning; None skips it.
        total_timesteps: Environment steps of reinforcement learning, counted over all rows; 0 for
            the stages before it alone.
        checkpoint_every: Environment steps between exports of the model, with checkpoints.
    """

    may_change: ClassVar[tuple[str, ...]] = (
        "stop_at_reward",
        "checkpoint_every",
        "keep_best",
        "max_replay_mb",
        "total_timesteps",
    )

    total_timesteps: NonNegativeInt
    advantage: Advantage = "gae"
    group_size: int = Field(default=8, ge=2)
    temperature: PositiveFloat = 1.0
    bfloat16: bool = False
    gradient_checkpointing: bool = False
    lora: LoRAConfig | None = None
    mask: MaskConfig | None = None
    warm_start: WarmStartConfig | None = WarmStartConfig()
    distillation: DistillationConfig | None = None
    kl: KLConfig = KLConfig()

    @property
    def compared_rows(self) -> int:
        """1: `EpisodeRolloutBuffer` compares whole texts."""
        return 1

    @model_validator(mode="after")
    def _trains(self) -> Self:
        if not (self.total_timesteps or self.warm_start or self.distillation):
            raise KeyedValueError(
                "total_timesteps",
                0,
                "allowed without warm_start and distillation: 1 or more, since nothing else would "
                "train the model",
            )
        return self

    @model_validator(mode="after")
    def _comparable(self) -> Self:
        if self.temperature != 1.0 and self.kl.coefficient > 0.0:
            raise ValueError(
                f"temperature={self.temperature} with kl.coefficient={self.kl.coefficient}: the "
                "frozen model runs at temperature 1, so even the untrained policy would pay; "
                "set one of them to 1 or 0"
            )
        return self

    @model_validator(mode="after")
    def _grouped(self) -> Self:
        if self.advantage not in GROUPED:
            return self
        if self.env.n_envs % self.group_size:
            raise KeyedValueError(
                "group_size",
                self.group_size,
                f"allowed with advantage: {self.advantage}: a divisor of env.n_envs="
                f"{self.env.n_envs}, 2 or more",
            )
        if self.algorithm.kwargs.get("normalize_advantage"):
            raise KeyedValueError(
                "algorithm.kwargs.normalize_advantage",
                True,
                f"advantage: {self.advantage} is relative to its group already, and the mean of a "
                "minibatch would move it; leave it out",
            )
        return self

    @validates("env")
    @classmethod
    def _language_spaces(cls, env: EnvConfig) -> EnvConfig:
        for name, needed in SPACES.items():
            if env.kwargs.get(name, needed) != needed:
                raise ValueError(
                    f"kwargs.{name}={env.kwargs[name]!r}; allowed: {needed!r}, or leave it out"
                )
        if "group_size" in env.kwargs:
            raise ValueError("kwargs.group_size is set by the run; use the key group_size")
        return env.model_copy(update={"kwargs": {**env.kwargs, **SPACES}})

    @validates("algorithm")
    @classmethod
    def _on_policy(cls, algorithm: AlgorithmConfig) -> AlgorithmConfig:
        if algorithm.name not in ALGORITHMS:
            raise ValueError(f"name={algorithm.name!r}; allowed: {', '.join(ALGORITHMS)}")
        for name in _OWN_KWARGS:
            if name in algorithm.kwargs:
                raise ValueError(f"kwargs.{name} is set by the run itself; leave it out")
        if algorithm.policy is not None:
            raise ValueError("policy is the language model; leave it out")
        if isinstance(algorithm.kwargs.get("learning_rate"), str):
            raise ValueError("kwargs.learning_rate is text; allowed here: a number")
        return algorithm


def load_run_config(path: Path, assignments: Sequence[str] = ()) -> TrainConfig:
    """Reads a configuration of `agents.train`, or of `agents.finetune` if it has keys of its own.

    Args:
        path: YAML file.
        assignments: As of `load_config`.

    Raises:
        UserError: As by `load_config`.
    """
    own = FinetuneConfig.model_fields.keys() - TrainConfig.model_fields.keys()
    is_finetuning = not own.isdisjoint(read_values(path))
    return load_config(FinetuneConfig if is_finetuning else TrainConfig, path, assignments)
