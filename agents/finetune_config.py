"""What `python -m agents.finetune` can be told; the YAML keys are these names."""

import inspect
from typing import Any, Literal

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    field_validator,
)
from stable_baselines3 import PPO

from agents.config import Config, refuse_quoted_numbers
from agents.train_config import EvaluationConfig
from lm_envs.checks import did_you_mean

_OWN_ARGUMENTS = {
    *("self", "policy", "env", "seed", "tensorboard_log", "verbose", "policy_kwargs", "device"),
    *("rollout_buffer_class", "rollout_buffer_kwargs"),
}


class FinetuneEnvConfig(Config):
    """Which environment, how many rows, and its arguments; words are its actions."""

    id: str
    n_envs: PositiveInt = 64
    kwargs: dict[str, Any] = Field(default_factory=dict)

    @field_validator("kwargs")
    @classmethod
    def _own(cls, kwargs: dict[str, Any]) -> dict[str, Any]:
        refuse_quoted_numbers(kwargs)
        for name in ("actions", "observation", "model", "split", "autoreset_mode", "num_envs"):
            if name in kwargs:
                raise ValueError(f"{name} is set by the run itself; remove it, or use model")
        return kwargs


class WarmStartConfig(Config):
    """The supervised start: steps of next-word loss on the task's references."""

    steps: NonNegativeInt = 0
    batch_size: PositiveInt = 32
    learning_rate: PositiveFloat = 1.0e-4


class DivergenceConfig(Config):
    """Penalty for leaving the frozen model, and nats per word to steer it to."""

    coefficient: NonNegativeFloat = 0.05
    target: PositiveFloat | None = None


class FinetuneConfig(Config):
    """A fine-tuning run.

    Attributes:
        name: Of the run folder, `runs/<name>-s<seed>`.
        model: Where the weights begin, and the frozen model: "embedded", a folder, or a hub name.
        temperature: What the policy's logits are divided by.
        ppo: Arguments of Stable-Baselines3's PPO.
        advantage: "gae", or "group" for advantages among the episodes of a prompt, without critic.
        total_timesteps: Words, counted over all rows.
    """

    name: str = Field(pattern=r"^[\w.-]+$")
    env: FinetuneEnvConfig
    model: str = "embedded"
    temperature: PositiveFloat = 1.0
    warm_start: WarmStartConfig = WarmStartConfig()
    ppo: dict[str, Any] = Field(default_factory=dict)
    advantage: Literal["gae", "group"] = "gae"
    divergence: DivergenceConfig = DivergenceConfig()
    total_timesteps: PositiveInt
    evaluation: EvaluationConfig = EvaluationConfig()
    seed: int = 0

    @field_validator("ppo")
    @classmethod
    def _known(cls, kwargs: dict[str, Any]) -> dict[str, Any]:
        allowed = set(inspect.signature(PPO).parameters) - _OWN_ARGUMENTS
        if unknown := sorted(set(kwargs) - allowed):
            raise ValueError(
                f"unknown argument {unknown[0]!r}; allowed: {', '.join(sorted(allowed))}."
                f"{did_you_mean(unknown[0], allowed)}"
            )
        refuse_quoted_numbers(kwargs)
        return kwargs
