"""Checks of the values in a `config.json` that several architectures have."""

from collections.abc import Mapping
from typing import Any

from lm_envs.model.architectures.activations import ACTIVATIONS
from lm_envs.validation import check_count, check_number

_LARGEST_EPSILON = 1.0
"""Of a norm's epsilon: a larger one would flatten every hidden state."""


def check_fixed(values: Mapping[str, Any], fixed: Mapping[str, Any], source: str) -> None:
    """Refuses keys whose value is not the only one that a network computes; they may be absent.

    Args:
        values: Content of `config.json`.
        fixed: The only value of each of some keys.
        source: Name of the file, for messages.
    """
    for key, needed in fixed.items():
        if values.get(key, needed) != needed:
            raise ValueError(
                f"Got {key}={values[key]!r} in {source}; only {key}={needed!r} is supported. Use "
                "a checkpoint without it."
            )


def check_counts(values: Mapping[str, Any], keys: tuple[str, ...], source: str) -> None:
    """Refuses keys whose value is not a whole number over 0."""
    for key in keys:
        check_count(f"{source}: {key}", values.get(key))


def get_activation(values: Mapping[str, Any], key: str, default: str, source: str) -> str:
    """Returns the name of a perceptron's activation, which must be supported."""
    found = values.get(key, default)
    if found not in list(ACTIVATIONS):  # a list cannot be a key, but can be refused
        raise ValueError(
            f"Got {key}={found!r} in {source}; allowed: {', '.join(map(repr, ACTIVATIONS))}. Use a "
            "checkpoint with one of them."
        )
    return found


def get_epsilon(values: Mapping[str, Any], key: str, default: float, source: str) -> float:
    """Returns the number that is added to the variance in every norm, in (0, 1]."""
    epsilon = values.get(key, default)
    check_number(f"{source}: {key}", epsilon)
    if not 0.0 < epsilon <= _LARGEST_EPSILON:
        raise ValueError(
            f"Got {key}={epsilon!r} in {source}; allowed: over 0, up to {_LARGEST_EPSILON}."
        )
    return epsilon
