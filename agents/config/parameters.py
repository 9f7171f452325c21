"""Parameters of constructors: their names, and whether values fit their annotations and ranges.

Owns the ranges of the usual hyperparameters. Imports nothing by name and calls no constructor.
"""

import inspect
import math
import types
from collections.abc import Callable, Mapping
from typing import Any, Literal, Union, get_args, get_origin

from agents.config.loading import KeyedValueError, is_number
from lm_envs.validation import is_finite, is_whole

LINEAR = "lin_"
"""Prefix of a learning rate that falls linearly to 0."""

LARGEST = 10**9
"""Of whole numbers: sizes and counts beyond it run for years or do not fit."""

RANGES: dict[str, tuple[float, float]] = {
    **dict.fromkeys(("gamma", "gae_lambda", "tau", "exploration_fraction"), (0.0, 1.0)),
    **dict.fromkeys(("exploration_initial_eps", "exploration_final_eps"), (0.0, 1.0)),
    **dict.fromkeys(("vf_coef", "ent_coef", "learning_starts"), (0.0, math.inf)),
    **dict.fromkeys(("n_steps", "batch_size", "buffer_size", "n_delta", "n_top"), (1, math.inf)),
    **dict.fromkeys(("n_eval_episodes", "policy_delay", "stats_window_size"), (1, math.inf)),
    **dict.fromkeys(("n_epochs", "target_update_interval"), (1, 1_000_000)),
    **dict.fromkeys(("gradient_steps", "sde_sample_freq"), (-1, math.inf)),
}
"""Smallest and largest value by the name of the parameter."""

POSITIVE = (
    "learning_rate",
    "clip_range",
    "clip_range_vf",
    "max_grad_norm",
    "target_kl",
    "delta_std",
)
"""Parameters above 0."""


def init_parameters(kind: type[Any]) -> set[str]:
    """Returns the names of all parameters that a class's constructor takes.

    Where a constructor has `**kwargs`, the parameters of the next constructor in the method
    resolution order are added, since keyword arguments are passed on to it.
    """
    return set(_annotations(kind))


def check_arguments(kind: type[Any], values: Mapping[str, Any]) -> None:
    """Checks that arguments fit the annotations of a constructor, and the ranges of their names.

    Args:
        kind: Class whose constructor will get them.
        values: Plain values by the name of the parameter; names that it does not take pass.

    Raises:
        KeyedValueError: If one does not fit; its key is the parameter.
    """
    hints = _annotations(kind)
    for name, value in values.items():
        hint = hints.get(name, inspect.Parameter.empty)
        if hint is not inspect.Parameter.empty and not _fits(name, value, hint):
            raise KeyedValueError(name, value, f"allowed: {_wording(name, hint)}")
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            _check_range(name, value)


def _check_range(name: str, value: float) -> None:
    least, most = RANGES.get(name, (-math.inf, math.inf))
    if name in POSITIVE and not value > 0:
        raise KeyedValueError(name, value, "allowed: a number above 0")
    if is_whole(value):
        most = min(most, LARGEST)
    if not least <= value <= most:
        end = f" to {most:g}" if math.isfinite(most) else " or more"
        raise KeyedValueError(name, value, f"allowed: {least:g}{end}")


def _annotations(kind: type[Any]) -> dict[str, Any]:
    """Returns the annotation of each parameter; `Parameter.empty` where there is none."""
    found: dict[str, Any] = {}
    for base in kind.__mro__:
        if "__init__" not in vars(base) or base is object:
            continue
        parameters = list(inspect.signature(base.__init__).parameters.values())[1:]  # without self
        variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        for each in parameters:
            if each.kind not in variadic:
                found.setdefault(each.name, each.annotation)
        if not any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters):
            break
    return found


def _fits(name: str, value: Any, hint: Any) -> bool:  # noqa: ANN401 - any value and annotation
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return any(_fits(name, value, part) for part in parts)
    if origin is Literal:
        return value in parts
    if origin is tuple:  # YAML has lists only
        return (
            isinstance(value, (list, tuple))
            and len(value) == len(parts)
            and all(_fits(name, each, part) for each, part in zip(value, parts, strict=True))
        )
    if origin is Callable:
        return callable(value) or is_linear(name, value)
    return _fits_class(name, value, origin or hint)


def _fits_class(name: str, value: Any, kind: Any) -> bool:  # noqa: ANN401
    """Returns whether a value is of a class; any value fits an annotation that is no class."""
    if kind is int:
        return is_whole(value)
    if kind is float:
        return is_finite(value)
    if kind in (None, types.NoneType):
        return value is None
    if kind is str:  # such as ent_coef="auto"; a number as text is a mistake
        return isinstance(value, str) and not is_number(value)
    return isinstance(value, kind) if isinstance(kind, type) else True


def is_linear(name: str, value: object) -> bool:
    """Returns whether a value is a learning rate such as "lin_3.0e-4"."""
    return (
        name == "learning_rate"
        and isinstance(value, str)
        and value.startswith(LINEAR)
        and is_number(value.removeprefix(LINEAR))
        and 0 < float(value.removeprefix(LINEAR)) < math.inf
    )


def _wording(name: str, hint: Any) -> str:  # noqa: ANN401 - any annotation
    """Describes the values that fit an annotation, as they are written in a YAML file."""
    words = {int: "a whole number", float: "a finite number", bool: "true or false", str: "a text"}
    words |= {types.NoneType: "null", dict: "keys with values"}
    parts = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    named = []
    for part in parts:
        origin = get_origin(part) or part
        if origin is tuple:
            named.append("a list such as [4, step]")
        elif origin is Literal:
            named += [repr(each) for each in get_args(part)]
        elif origin in words:
            named.append(words[origin])
    if name == "learning_rate":
        named.append(f"{LINEAR}3.0e-4")
    return ", ".join(named) or "no value that a file can hold; leave it out"
