"""Checks of states that a caller gives to `set_state`, before anything is restored.

Knows nothing of the meaning of a state's parts.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np

REMEDY = "Restore it in an environment made with the same num_envs, task and arguments."


def check_parts(what: str, parts: Any, names: Iterable[str]) -> None:  # noqa: ANN401 - a caller's
    """Raises ValueError if `parts` is not a mapping with exactly these names.

    Raises:
        ValueError: Naming what is missing and what is unknown.
    """
    if not isinstance(parts, Mapping):
        raise ValueError(
            f"Got a state that is not {what}, but {type(parts).__name__}; allowed: what "
            "get_state() gives."
        )
    names = set(names)
    if parts.keys() != names:
        missing, unknown = sorted(names - parts.keys()), sorted(map(str, parts.keys() - names))
        raise ValueError(
            f"Got a state that is not {what}: without {missing}, with unknown {unknown}. {REMEDY}"
        )


def check_arrays(arrays: Mapping[str, Any], own: Mapping[str, np.ndarray]) -> None:
    """Checks shape and dtype of each array against the current one of the same name.

    Raises:
        ValueError: Naming the array that differs.
    """
    for name, mine in own.items():
        try:
            got = np.asarray(arrays[name])
        except ValueError:
            raise ValueError(f"Got a state whose {name} is no array. {REMEDY}") from None
        if got.shape != mine.shape:
            raise ValueError(
                f"Got a state whose {name} has shape {got.shape}; allowed: {mine.shape}. {REMEDY}"
            )
        if not np.can_cast(got.dtype, mine.dtype, "same_kind"):
            raise ValueError(
                f"Got a state whose {name} has dtype {got.dtype}; allowed: {mine.dtype}. {REMEDY}"
            )


def check_lists(lists: Mapping[str, Any], names: Iterable[str], num_rows: int) -> None:
    """Raises ValueError if one of the lists does not have one entry a row.

    Raises:
        ValueError: Naming the list.
    """
    for name in names:
        got = lists[name]
        if not isinstance(got, (list, tuple)) or len(got) != num_rows:
            raise ValueError(
                f"Got a state whose {name} is no list of one entry a row; allowed: {num_rows} "
                f"rows. {REMEDY}"
            )


def is_in_space(space: gym.Space[Any], value: Any) -> bool:  # noqa: ANN401 - a caller's
    """Returns whether a value, as a list or a number, is in a space."""
    try:
        return space.contains(np.array(value, space.dtype))
    except (TypeError, ValueError, OverflowError):
        return False


def restored_generators(states: Sequence[Any]) -> list[np.random.Generator]:
    """Returns new generators in these states.

    Raises:
        ValueError: If one is not a state of NumPy's default generator.
    """
    generators = [np.random.default_rng(0) for _ in states]
    for row, (generator, state) in enumerate(zip(generators, states, strict=True)):
        try:
            generator.bit_generator.state = state
        except Exception as error:  # NumPy's setter raises errors of many classes
            raise ValueError(
                f"Got a state whose generator of row {row} is no numpy.random.default_rng()'s: "
                f"{error!r}. {REMEDY}"
            ) from None
    return generators


def not_copyable_error(env: object, make: str) -> TypeError:
    """Returns the error for a copy or pickle of an environment: it would copy the model."""
    return TypeError(
        f"Got a copy or pickle of {type(env).__name__}, which holds a language model and cannot be "
        f"copied; make another by {make}(env.spec), reset it, and restore the state by "
        "other.unwrapped.set_state(env.unwrapped.get_state())."
    )
