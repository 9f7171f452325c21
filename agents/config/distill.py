"""Configurations of `python -m agents.distill` and `python -m agents.loop`."""

from typing import ClassVar, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from agents.config.loading import Config
from agents.config.train import TrainConfig


class ImitationConfig(Config):
    """How a language model learns from an agent.

    Attributes:
        method: "choices", the agent's distribution over candidates at each step of its texts; or
            "texts", the best of `n` texts for each prompt.
        prompts: Largest number of training prompts.
        n: Texts of a prompt for "texts".
        steps: Optimizer steps.
        batch_size: Texts in a step.
        learning_rate: Of Adam.
        seed: Of the order of the texts and of their samples.
    """

    method: Literal["choices", "texts"] = "choices"
    prompts: PositiveInt = 512
    n: PositiveInt = 4
    steps: PositiveInt = 150
    batch_size: PositiveInt = 32
    learning_rate: PositiveFloat = 3e-4
    seed: int = Field(default=0, ge=0, lt=2**32)


class LoopConfig(Config):
    """Rounds of an agent over the model and of the model's training on what the agent chose.

    Attributes:
        name: Of the folder, `runs/<name>-s<seed>`.
        agent: Of the agent's run in each round; its name and model are set by the round.
        imitation: Of the model's training in each round.
        rounds: Largest number of rounds.
        stop_at_reward: Stop once greedy held-out texts of the model reach this, judged by the first
            model.
        may_change: Keys that may differ when a loop goes on.
    """

    may_change: ClassVar[tuple[str, ...]] = ("rounds", "stop_at_reward")

    name: str = Field(pattern=r"^[\w.-]+$")
    agent: TrainConfig
    imitation: ImitationConfig = ImitationConfig()
    rounds: PositiveInt = 3
    stop_at_reward: float | None = None
