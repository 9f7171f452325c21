"""What `python -m agents.train` can be told; the YAML keys are these names."""

import inspect
from typing import Any, Literal

import sb3_contrib
import stable_baselines3
from pydantic import Field, PositiveInt, field_validator
from stable_baselines3.common.base_class import BaseAlgorithm

from agents.config import Config, is_number

ALGORITHMS: dict[str, type[BaseAlgorithm]] = {
    "PPO": stable_baselines3.PPO,
    "A2C": stable_baselines3.A2C,
    "DQN": stable_baselines3.DQN,
    "QRDQN": sb3_contrib.QRDQN,
    "TRPO": sb3_contrib.TRPO,
}
"""Algorithms by name; all of them choose among discrete actions."""

_OWN_ARGUMENTS = {"self", "policy", "env", "seed", "tensorboard_log", "verbose"}


class EnvConfig(Config):
    """Which environment, how many rows, and its arguments."""

    id: str
    n_envs: PositiveInt = 64
    kwargs: dict[str, Any] = Field(default_factory=dict)


class AlgorithmConfig(Config):
    """Which algorithm, and its arguments; a learning rate `lin_3.0e-4` falls linearly to 0."""

    name: str
    policy: str = "MlpPolicy"
    kwargs: dict[str, Any] = Field(default_factory=dict)

    @field_validator("name")
    @classmethod
    def _listed(cls, name: str) -> str:
        if name not in ALGORITHMS:
            raise ValueError(f"allowed: {', '.join(map(repr, ALGORITHMS))}")
        return name

    @field_validator("kwargs")
    @classmethod
    def _known(cls, kwargs: dict[str, Any], info: Any) -> dict[str, Any]:  # noqa: ANN401
        kind = ALGORITHMS.get(info.data.get("name", ""))
        allowed = set(inspect.signature(kind).parameters) - _OWN_ARGUMENTS if kind else set(kwargs)
        if unknown := sorted(set(kwargs) - allowed):
            raise ValueError(
                f"unknown argument {unknown[0]!r}; allowed: {', '.join(sorted(allowed))}"
            )
        for name, value in kwargs.items():
            if isinstance(value, str) and is_number(value):
                raise ValueError(f"{name}={value!r} is text in YAML; write it as 3.0e-4")
        return kwargs


class EvaluationConfig(Config):
    """Held-out prompts to judge the agent by, and how often, in environment steps."""

    split: Literal["train", "validation", "test"] = "validation"
    episodes: PositiveInt = 128
    every: PositiveInt = 50_000


class TrainConfig(Config):
    """A training run.

    Attributes:
        name: Of the run folder, `runs/<name>-s<seed>`.
        total_timesteps: Environment steps, counted over all rows.
        checkpoint_every: Environment steps between checkpoints.
        stop_at_reward: Stop once the held-out reward reaches this.
    """

    name: str = Field(pattern=r"^[\w.-]+$")
    env: EnvConfig
    algorithm: AlgorithmConfig
    total_timesteps: PositiveInt
    evaluation: EvaluationConfig = EvaluationConfig()
    checkpoint_every: PositiveInt = 100_000
    stop_at_reward: float | None = None
    seed: int = 0
