"""Checks of public arguments, with error messages "Got X; allowed: Y".

NumPy integers and floats pass like Python's; booleans are not numbers. Knows nothing of what the
arguments mean.
"""

import difflib
import inspect
import math
import numbers
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, TypeGuard, Union, get_args, get_origin, get_type_hints

import numpy as np


class UnexpectedArgumentError(TypeError, ValueError):
    """An unknown keyword argument.

    A TypeError, as Python raises for it, and also a ValueError, as all other checks raise.
    """


def check_choice(name: str, value: object, allowed: Iterable[object]) -> None:
    """Checks that a value is one of the allowed values.

    Raises:
        ValueError: If it is not; the message lists the allowed values.
    """
    allowed = list(allowed)
    if value not in allowed:
        names = ", ".join(repr(choice) for choice in allowed)
        raise ValueError(f"Got {name}={value!r}; allowed: {names}.")


def check_count(name: str, value: object, least: int = 1) -> None:
    """Checks that a value is an integer, of Python or NumPy, and at least `least`.

    Raises:
        ValueError: If it is not; the message names the argument.
    """
    if not is_whole(value) or value < least:
        raise ValueError(f"Got {name}={value!r}; allowed: a whole number, {least} or more.")


def check_limit(name: str, value: int | None) -> float:
    """Returns a limit: a whole number of 1 or more, or infinity for None.

    Raises:
        ValueError: If it is neither; the message names the argument.
    """
    if value is None:
        return math.inf
    check_count(name, value)
    return value


def is_whole(value: object) -> TypeGuard[int]:
    """Returns whether a value is an integer, of Python or NumPy; a boolean is not."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def check_types(
    function: Callable[..., Any],
    arguments: Mapping[str, object],
    remedies: Mapping[str, str] | None = None,
) -> None:
    """Checks that arguments are texts, mappings or sequences where the annotations require it.

    Numbers and booleans pass: the checks that know their range are stricter.

    Args:
        function: Function with or without annotations; an argument without one passes.
        arguments: Values by the name of the argument.
        remedies: Sentences for the message, by the name of the argument.

    Raises:
        ValueError: If one is not; the message names the argument and its annotation.
    """
    try:
        hints = get_type_hints(function)
    except NameError:  # a caller's annotation that only a type checker can resolve
        return
    for name, value in arguments.items():
        if name in hints and not _matches(value, hints[name]):
            remedy = f" {remedies[name]}" if remedies and name in remedies else ""
            allowed = _described(hints[name])
            raise ValueError(f"Got {name}={shown(value)}; allowed: {allowed}.{remedy}")


def path_as_text(value: Any) -> Any:  # noqa: ANN401 - any argument
    """Returns the text of a `pathlib.Path`; any other value as it is."""
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def shown(value: object, longest: int = 80) -> str:
    """Returns a value's repr for an error message: one line, cut to `longest` characters."""
    text = " ".join(repr(value).split())
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _described(hint: Any) -> str:  # noqa: ANN401 - any annotation
    """Returns an annotation in words, such as "a dict (Mapping[str, float]) or None"."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return " or ".join(_described(part) for part in parts)
    if hint in (str, NoneType):
        return "str" if hint is str else "None"
    annotation = re.sub(r"\b(\w+\.)+", "", inspect.formatannotation(hint))
    word = {Mapping: "a dict", Sequence: "a list", Callable: "a function"}.get(origin, "")
    return f"{word} ({annotation})" if word else annotation


def _matches(value: Any, hint: Any) -> bool:  # noqa: ANN401 - any argument, any annotation
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return any(_matches(value, part) for part in parts)
    if origin is Mapping:
        return isinstance(value, Mapping) and all(
            _matches(item, part)
            for pair in value.items()
            for item, part in zip(pair, parts, strict=True)
        )
    if origin is Callable:
        return callable(value)
    if origin is Sequence:
        return isinstance(value, (list, tuple)) and all(_matches(item, parts[0]) for item in value)
    # Any other annotation, such as int, float or bool, is left to the checks of its range.
    return isinstance(value, hint) if hint in (str, NoneType) else True


def check_number(name: str, value: object) -> None:
    """Checks that a value is a finite real number, of Python or NumPy; a boolean is not.

    Raises:
        ValueError: If it is not; the message names the argument.
    """
    if not is_finite(value):
        raise ValueError(f"Got {name}={value!r:.60}; allowed: a finite number.")


def is_finite(value: object) -> TypeGuard[float]:
    """Returns whether a value is a finite real number, of Python or NumPy; a boolean is not."""
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond the largest float
        return False


def first_line(error: BaseException) -> str:
    """Returns the first line of an error's message that is not blank, or the error's class."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def did_you_mean(name: object, allowed: Iterable[str]) -> str:
    """Returns " Did you mean …?" for the closest allowed name; an empty text if none is close."""
    close = difflib.get_close_matches(str(name), list(allowed), 1)
    return f" Did you mean {close[0]!r}?" if close else ""
