"""Rewards by kind of prompt: by a relation, a kind, a language or the correct label.

Owns which fields of examples divide the prompts. Runs no environment.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lm_envs.envs.base import EpisodicVectorEnv
from lm_envs.envs.vector_env import LanguageVectorEnv
from lm_envs.tasks.base import Example

MOST_KINDS = 12
"""A field with more values names single prompts rather than kinds of them."""

TARGET = "target"
"""Name of the division by the correct text, for tasks with few of them."""

Breakdown = dict[str, dict[str, dict[str, Any]]]
"""By field and value: `prompts`, their number, and `rewards`, the mean of each policy."""


def evaluated_examples(env: EpisodicVectorEnv, indices: np.ndarray) -> list[Example]:
    """Returns the examples (E,) of an environment that writes text; none where a model is tuned."""
    if not isinstance(env, LanguageVectorEnv):
        return []
    return [env.task.example(int(index)) for index in indices]


def breakdown(examples: Sequence[Example], rewards: Mapping[str, np.ndarray]) -> Breakdown:
    """Computes each policy's mean reward by the values of every field that divides the prompts.

    Args:
        examples: P, in the order of the rewards.
        rewards: (S, P) by policy.

    Returns:
        Fields with 2 to `MOST_KINDS` values that all examples have.
    """
    divided: Breakdown = {}
    for field, values in _fields(examples).items():
        divided[field] = {
            value: {
                "prompts": int((values == value).sum()),
                "rewards": {
                    name: float(each[:, values == value].mean()) for name, each in rewards.items()
                },
            }
            for value in sorted(set(values.tolist()))
        }
    return divided


def _fields(examples: Sequence[Example]) -> dict[str, np.ndarray]:
    """Returns the values (P,) of the fields that divide the examples."""
    named = [{**each.columns, TARGET: (each.targets or ("",))[0]} for each in examples]
    shared = [name for name in (named[0] if named else ()) if all(name in each for each in named)]
    found = {name: np.array([str(each[name]) for each in named]) for name in shared}
    return {name: v for name, v in found.items() if 2 <= len(set(v.tolist())) <= MOST_KINDS}
