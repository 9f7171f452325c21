"""The arguments of `reset`: rows, seeds and examples, checked before anything is changed."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeGuard

import numpy as np

from lm_envs.tasks.base import Example, Task, as_image_task
from lm_envs.validation import is_whole

OPTIONS = ("reset_mask", "index", "prompt")
IMAGE = "image"
"""Another option, of tasks with images."""


def selected_examples(
    options: Mapping[str, Any],
    num_rows: int,
    task: Task,
    example: Callable[[int], Example],
    longest_prompt: int,
) -> tuple[list[int], Sequence[Example | None]]:
    """Returns the rows to reset, and for each its example, or None to draw one.

    Args:
        options: Of `reset`.
        num_rows: N.
        task: Makes examples of prompts and images.
        example: Returns the task's example of an index.
        longest_prompt: Most tokens of a prompt.

    Raises:
        TypeError: If `reset_mask` is not a bool array.
        ValueError: If an option is unknown, or an index or prompt is not allowed.
    """
    images = as_image_task(task)
    _check_names(options, OPTIONS if images is None else (*OPTIONS, IMAGE))
    if len(given := [name for name in (*OPTIONS[1:], IMAGE) if name in options]) > 1:
        raise ValueError(f"Got both {given[0]!r} and {given[1]!r} in the reset options; give one.")
    rows = np.flatnonzero(_mask(options.get("reset_mask"), num_rows)).tolist()
    if "index" in options:
        indices = _spread(options["index"], num_rows, "index")
        checked = [_validated_index(indices[row], row, task.num_examples) for row in rows]
        return rows, [example(index) for index in checked]
    if "prompt" in options:
        prompts = _spread(options["prompt"], num_rows, "prompt")
        return rows, [_prompted(prompts[row], row, task, longest_prompt) for row in rows]
    if images is not None and IMAGE in options:
        shown = _spread(options[IMAGE], num_rows, IMAGE, len(images.image_shape))
        return rows, [images.example_of_image(shown[row]) for row in rows]
    return rows, [None] * len(rows)


def selected_indices(
    options: Mapping[str, Any], num_rows: int, num_examples: int
) -> tuple[list[int], list[int | None]]:
    """Returns the rows to reset, and for each the index of its example, or None to draw one.

    Raises:
        TypeError: If `reset_mask` is not a bool array.
        ValueError: If an option is unknown, or an index is not allowed.
    """
    _check_names(options, ("reset_mask", "index"))
    rows = np.flatnonzero(_mask(options.get("reset_mask"), num_rows)).tolist()
    if "index" not in options:
        return rows, [None] * len(rows)
    indices = _spread(options["index"], num_rows, "index")
    return rows, [_validated_index(indices[row], row, num_examples) for row in rows]


def seeds_for_rows(seed: int | Sequence[int | None] | None, num_rows: int) -> np.ndarray:
    """Returns the seeds (N,) of N rows, whole numbers or None: seed + row, or those of a list.

    Raises:
        ValueError: If a list does not have N entries, or one is not a whole number, 0 or more.
    """
    if _is_seed(seed):
        seeds = [None if seed is None else seed + row for row in range(num_rows)]
    else:
        seeds = list(seed) if isinstance(seed, Iterable) else []
    if len(seeds) != num_rows or not all(map(_is_seed, seeds)):
        raise ValueError(
            f"Got seed={seed!r}; allowed: None, a whole number, 0 or more"
            f"{f', or a list of {num_rows} of these' if num_rows > 1 else ''}."
        )
    return np.array(seeds, object)


def _is_seed(value: object) -> TypeGuard[int | None]:
    return value is None or (is_whole(value) and value >= 0)


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


def _spread(value: Any, num_rows: int, name: str, dims: int = 0) -> list[Any]:  # noqa: ANN401
    """Returns a value for each row: those given, or the only one, which has `dims` dimensions."""
    if isinstance(value, str) or np.ndim(value) <= dims:
        return [value] * num_rows
    if len(value) != num_rows:
        raise ValueError(f"Got {len(value)} values of {name!r}; allowed: one, or {num_rows}.")
    return list(value)


def _check_names(options: Any, allowed: Sequence[str]) -> None:  # noqa: ANN401 - a caller's value
    names = ", ".join(allowed)
    if not isinstance(options, Mapping):
        raise ValueError(f"Got reset options {options!r}; allowed: a dict with {names}.")
    if unknown := set(options) - set(allowed):
        raise ValueError(f"Got reset options {sorted(map(str, unknown))}; allowed: {names}.")


def _validated_index(index: Any, row: int, num_examples: int) -> int:  # noqa: ANN401 - a caller's
    if not is_whole(index) or not 0 <= index < num_examples:
        raise ValueError(f"Got index {index!r} for row {row}; allowed: 0 to {num_examples - 1}.")
    return int(index)


def _prompted(prompt: Any, row: int, task: Task, longest: int) -> Example:  # noqa: ANN401
    if not isinstance(prompt, str) or not prompt:
        raise ValueError(f"Got prompt {prompt!r} for row {row}; allowed: a text, not empty.")
    example = task.example_of(prompt)
    if len(example.prompt) > longest:
        raise ValueError(
            f"Got a prompt of {len(example.prompt)} tokens for row {row}; allowed: {longest}. "
            "Shorten it, or raise prompt_tokens."
        )
    return example
