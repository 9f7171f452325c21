"""The public door of the environments: checks arguments before anything is changed."""

import difflib
import inspect
from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any

import numpy as np

from lm_envs.tasks.task import Example

if TYPE_CHECKING:
    from lm_envs.envs.vector_env import LanguageVectorEnv

PINS = ("reset_mask", "index", "prompt")


def one_of(name: str, value: Any, allowed: Any) -> Any:  # noqa: ANN401 - any choice
    """`value`, or for an enum the member of that name.

    Raises:
        ValueError: If it is not among the allowed.
    """
    if inspect.isclass(allowed) and issubclass(allowed, Enum):
        members = {member.name.lower(): member for member in allowed}
        if isinstance(value, allowed):
            return value
        if isinstance(value, str) and value.lower() in members:
            return members[value.lower()]
        allowed = members
    elif value in allowed:
        return value
    names = ", ".join(repr(choice) for choice in allowed)
    raise ValueError(f"Got {name}={value!r}; allowed: {names}.")


def check_options(task_class: type, options: Mapping[str, Any]) -> None:
    """Refuses an argument that the task does not have.

    Raises:
        ValueError: Naming the argument, the allowed ones, and a close match.
    """
    parameters = inspect.signature(task_class).parameters.values()
    allowed = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
    for name in options:
        if name not in allowed:
            close = difflib.get_close_matches(name, allowed, 1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise ValueError(
                f"Got unknown argument {name!r}; allowed: the environment's own and "
                f"{', '.join(allowed)}.{hint}"
            )


def check_pins(
    env: "LanguageVectorEnv", options: Mapping[str, Any]
) -> tuple[np.ndarray, list[Example | None]]:
    """Rows to reset (R,), and for each its pinned example, or None to draw one.

    Raises:
        TypeError: If `reset_mask` is no bool array.
        ValueError: If an option is unknown, or an index or prompt is not allowed.
    """
    if unknown := set(options) - set(PINS):
        raise ValueError(f"Got reset options {sorted(unknown)}; allowed: {', '.join(PINS)}.")
    if "index" in options and "prompt" in options:
        raise ValueError("Got both 'index' and 'prompt' in the reset options; give one.")
    rows = np.flatnonzero(_mask(options.get("reset_mask"), env.num_envs))
    if "index" in options:
        pins = _spread(options["index"], env.num_envs, "index")
        return rows, [_indexed(env, pins[row], row) for row in rows]
    if "prompt" in options:
        pins = _spread(options["prompt"], env.num_envs, "prompt")
        return rows, [_prompted(env, pins[row], row) for row in rows]
    return rows, [None] * len(rows)


def _mask(mask: Any, num_rows: int) -> np.ndarray:  # noqa: ANN401 - a caller's value
    if mask is None:
        return np.ones(num_rows, bool)
    if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_:
        raise TypeError(f"Got reset_mask of type {type(mask).__name__}; allowed: a bool array.")
    if mask.shape != (num_rows,) or not mask.any():
        raise ValueError(
            f"Got reset_mask of shape {mask.shape} with {int(mask.sum())} True; allowed: shape "
            f"({num_rows},) with at least one True."
        )
    return mask


def _spread(value: Any, num_rows: int, name: str) -> list[Any]:  # noqa: ANN401 - a caller's value
    if isinstance(value, str) or np.ndim(value) == 0:
        return [value] * num_rows
    if len(value) != num_rows:
        raise ValueError(f"Got {len(value)} values of {name!r}; allowed: one, or {num_rows}.")
    return list(value)


def _indexed(env: "LanguageVectorEnv", index: Any, row: int) -> Example:  # noqa: ANN401
    is_whole = isinstance(index, (int, np.integer)) and not isinstance(index, bool)
    if not is_whole or not 0 <= index < env.task.num_examples:
        raise ValueError(
            f"Got index {index!r} for row {row}; allowed: 0 to {env.task.num_examples - 1}."
        )
    return env.task.example(int(index))


def _prompted(env: "LanguageVectorEnv", prompt: Any, row: int) -> Example:  # noqa: ANN401
    if not isinstance(prompt, str) or not prompt:
        raise ValueError(f"Got prompt {prompt!r} for row {row}; allowed: a text, not empty.")
    example = env.task.example_of(prompt)
    most = env.engine.capacity - 1
    if len(example.prompt) > most:
        raise ValueError(
            f"Got a prompt of {len(example.prompt)} tokens for row {row}; allowed: {most} with "
            f"prompt_tokens={env.task.prompt_tokens}. Shorten it, or raise prompt_tokens."
        )
    return example
