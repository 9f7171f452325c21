"""Checks at public doors, and how a refusal is worded. Knows nothing of what is checked."""

import difflib
import inspect
import math
import numbers
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, TypeGuard, Union, get_args, get_origin, get_type_hints

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


def check_count(name: str, value: object, least: int = 1) -> None:
    """Refuses what is no whole number of `least` or more.

    Raises:
        ValueError: Naming the argument.
    """
    if not is_whole(value) or value < least:
        raise ValueError(f"Got {name}={value!r}; allowed: a whole number, {least} or more.")


def is_whole(value: object) -> TypeGuard[int]:
    """Whether a value is a whole number, Python's or NumPy's."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def check_types(function: Callable[..., Any], arguments: Mapping[str, object]) -> None:
    """Refuses arguments that are no text, mapping or sequence where the annotations ask for one.

    Numbers and flags are left to the checks that know their range.

    Raises:
        ValueError: Naming the argument and its annotation.
    """
    hints = get_type_hints(function)
    for name, value in arguments.items():
        if not _is_of(value, hints[name]):
            allowed = re.sub(r"\b(\w+\.)+", "", inspect.formatannotation(hints[name]))
            raise ValueError(f"Got {name}={value!r}; allowed: {allowed}.")


def _is_of(value: Any, hint: Any) -> bool:  # noqa: ANN401 - any argument, any annotation
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return any(_is_of(value, part) for part in parts)
    if origin is Mapping:
        return isinstance(value, Mapping) and all(
            _is_of(item, part)
            for pair in value.items()
            for item, part in zip(pair, parts, strict=True)
        )
    if origin is Sequence:
        return isinstance(value, (list, tuple)) and all(_is_of(item, parts[0]) for item in value)
    return isinstance(value, hint) if hint in (str, NoneType) else True


def check_number(name: str, value: object) -> None:
    """Refuses what is no finite number, Python's or NumPy's; truth values are none.

    Raises:
        ValueError: Naming the argument.
    """
    if not (_is_real(value) and math.isfinite(value)):
        raise ValueError(f"Got {name}={value!r}; allowed: a finite number.")


def _is_real(value: object) -> TypeGuard[float]:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def did_you_mean(name: object, allowed: Iterable[str]) -> str:
    """A hint at the closest allowed name, with a space before it; empty where none is close."""
    close = difflib.get_close_matches(str(name), list(allowed), 1)
    return f" Did you mean {close[0]!r}?" if close else ""
