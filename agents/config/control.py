"""Configuration of `python -m agents.explain --weights FILE`: weights of the reward to compare.

Owns the format of the file. Knows nothing of environments.
"""

from typing import Annotated

from pydantic import Field, FiniteFloat, NonNegativeInt, model_validator

from agents.config.loading import Config

Weights = Annotated[list[FiniteFloat], Field(min_length=2)]


class ControlConfig(Config):
    """Agents that differ in one weight of the reward.

    Attributes:
        config: YAML file of `agents.train`. Its `env.kwargs.rewards`, or the task's own, are the
            weights of all other scores.
        set: Assignments that override the file, as in `agents.train --set`.
        seeds: One run for each weight and seed; two or more for intervals that cover seeds.
        weights: Two or more weights for each score. One score is varied at a time; the others
            keep their own weight.
    """

    config: str
    set: list[str] = Field(default_factory=list)
    seeds: list[NonNegativeInt] = Field(min_length=1)
    weights: dict[str, Weights] = Field(min_length=1)

    @model_validator(mode="after")
    def _each_once(self) -> "ControlConfig":
        for name, values in {"seeds": self.seeds, **self.weights}.items():
            if len(set(values)) < len(values):
                raise ValueError(f"{name}={values} has a number twice; give each once")
        if any(line.partition("=")[0] in ("seed", "name") for line in self.set):
            raise ValueError(f"set={self.set} has seed or name; give the seeds by the key `seeds`")
        return self
