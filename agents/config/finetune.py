"""What `python -m agents.finetune` can be told; the YAML keys are these names."""

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

from agents.config.loading import Config
from agents.config.train import AlgorithmConfig, EnvConfig, TrainConfig
from agents.language_model.buffer import Advantage
from agents.language_model.kl_penalty import Estimator
from agents.language_model.lora import LoRA
from agents.language_model.nlpo_mask import Mask

ALGORITHMS = ("PPO", "A2C")
SPACES = {"actions": "vocabulary", "observation": "tokens"}
"""What a policy that is a language model needs of the environment."""

_OWN_KWARGS = ("policy_kwargs", "rollout_buffer_class", "rollout_buffer_kwargs")


class WarmStartConfig(Config):
    """The supervised start on the references of the training split."""

    steps: PositiveInt = 100
    learning_rate: PositiveFloat = 1e-4
    batch_size: PositiveInt = 32


class DistillationConfig(Config):
    """Learning from the best of the model's own texts; see `distil`."""

    rounds: PositiveInt = 50
    prompts: PositiveInt = 32
    n: PositiveInt = 4
    learning_rate: PositiveFloat = 1e-4


class KLConfig(Config):
    """What straying from the frozen model costs; see `KLPenalty`."""

    coefficient: NonNegativeFloat = 0.1
    target: PositiveFloat | None = None
    estimator: Estimator = "k1"


class MaskConfig(Config):
    """Which words may be chosen; see `Mask`."""

    top_k: int | None = None
    top_p: float | None = None
    every: int = 10

    @model_validator(mode="after")
    def _masks(self) -> Self:
        self.make()
        return self

    def make(self) -> Mask:
        """What the policy is given."""
        return Mask(**self.model_dump())


class LoRAConfig(Config):
    """Adapters that are learned in place of the weights; see `LoRA`."""

    rank: int = 8
    alpha: float = 16.0
    layers: list[str] = Field(default=["c_attn"])

    @model_validator(mode="after")
    def _adapts(self) -> Self:
        self.make()
        return self

    def make(self) -> LoRA:
        """What the policy is given."""
        return LoRA(self.rank, self.alpha, tuple(self.layers))


class FinetuneConfig(TrainConfig):
    """A run that trains the language model itself.

    Attributes:
        advantage: Of `EpisodeRolloutBuffer`.
        temperature: What logits are divided by, when acting and when learning.
        bfloat16: Of `LanguageModelPolicy`.
        gradient_checkpointing: Of `LanguageModelPolicy`.
        lora: Of `LanguageModelPolicy`; the arguments of `LoRA`.
        mask: Of `LanguageModelPolicy`; the arguments of `Mask`.
        warm_start: None begins with reinforcement learning.
        distillation: Best of n, a stage before reinforcement learning; None leaves it out.
        value_warm_up: Environment steps in which only the value head learns.
        checkpoint_every: Environment steps between exports of the model, with checkpoints.
    """

    may_change: ClassVar[tuple[str, ...]] = (
        "stop_at_reward",
        "checkpoint_every",
        "total_timesteps",
    )

    advantage: Advantage = "gae"
    temperature: PositiveFloat = 1.0
    bfloat16: bool = False
    gradient_checkpointing: bool = False
    lora: LoRAConfig | None = None
    mask: MaskConfig | None = None
    warm_start: WarmStartConfig | None = WarmStartConfig()
    distillation: DistillationConfig | None = None
    kl: KLConfig = KLConfig()
    value_warm_up: NonNegativeInt = 0

    @model_validator(mode="after")
    def _comparable(self) -> Self:
        if self.temperature != 1.0 and self.kl.coefficient > 0.0:
            raise ValueError(
                f"temperature={self.temperature} with kl.coefficient={self.kl.coefficient}: the "
                "frozen model is read at temperature 1, so even the untrained policy would pay; "
                "set one of them to 1 or 0"
            )
        return self

    @validates("env")
    @classmethod
    def _words(cls, env: EnvConfig) -> EnvConfig:
        for name, needed in SPACES.items():
            if env.kwargs.get(name, needed) != needed:
                raise ValueError(
                    f"kwargs.{name}={env.kwargs[name]!r}; allowed: {needed!r}, or leave it out"
                )
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
