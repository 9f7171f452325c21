"""Checks at public doors, and how a refusal is worded. Knows nothing of what is checked."""

import difflib
from collections.abc import Iterable

import numpy as np


class UnexpectedArgumentError(TypeError, ValueError):
    """An argument that nobody takes: Python's own error for it, and a bad value like the others."""


def check_choice(name: str, value: object, allowed: Iterable[object]) -> None:
    """Refuses a value that is not among the allowed.

    Raises:
        ValueError: Naming them.
    """
    allowed = list(allowed)
    if value not in allowed:
        names = ", ".join(repr(choice) for choice in allowed)
        raise ValueError(f"Got {name}={value!r}; allowed: {names}.")


def check_count(name: str, value: object) -> None:
    """Refuses what is no whole number of 1 or more.

    Raises:
        ValueError: Naming the argument.
    """
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"Got {name}={value!r}; allowed: a whole number, 1 or more.")


def did_you_mean(name: object, allowed: Iterable[str]) -> str:
    """A hint at the closest allowed name, with a space before it; empty where none is close."""
    close = difflib.get_close_matches(str(name), list(allowed), 1)
    return f" Did you mean {close[0]!r}?" if close else ""
