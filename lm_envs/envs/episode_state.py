"""State of the episodes of N rows: plain values out, checked values in.

A state holds ids and counters, no text that could disagree with them and no KV cache, which is
rebuilt. Knows nothing of models or random generators.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, get_args

import numpy as np

from lm_envs.envs.episode_buffer import EpisodeBuffer
from lm_envs.envs.snapshots import REMEDY, check_arrays, check_lists, check_parts
from lm_envs.tasks.base import Example, as_image_task
from lm_envs.transcript import Ending
from lm_envs.validation import check_choice, is_whole

_ARRAYS = (
    *("tokens", "logprobs", "rewards", "steps_of", "counts", "steps", "potentials"),
    *("step_logprobs", "contexts", "context_lengths", "prompt_lengths", "references"),
    *("reference_counts", "line_starts"),
)
_LISTS = ("indices", "prompts", "turns", "endings")
_OLD_NAMES = {
    "values": "potentials",
    "filled": "prompt_lengths",
    "_line_starts": "line_starts",
    "marks": "task_scores",
}
"""Names in states of version 0.1.0, and what they are called now."""

_NEW_SCORES = ("differentiable_lagging",)
"""Task scores that version 0.1.0 did not have; 0 in its states until the next token is written."""


def get_state(episodes: EpisodeBuffer) -> dict[str, Any]:
    """Returns everything that `set_state` needs, as fresh arrays and lists."""
    state: dict[str, Any] = {name: getattr(episodes, name).copy() for name in _ARRAYS}
    if as_image_task(episodes.task) is not None:
        state["images"] = [_own_image(example) for example in episodes.examples]
    return state | {
        "indices": [example.index for example in episodes.examples],
        "prompts": list(episodes.prompts),
        "task_scores": {name: values.copy() for name, values in episodes.task_scores.items()},
        "turns": [list(turns) for turns in episodes.turns],
        "endings": list(episodes.endings),
    }


def upgraded(state: Any, episodes: EpisodeBuffer) -> Any:  # noqa: ANN401 - a caller's value
    """Returns a state with today's names, if it is one with the names of version 0.1.0.

    Version 0.1.0 kept the score "cross_entropy" among the task's own scores; it is computed anew.
    The scores that it did not have are 0.
    """
    if not isinstance(state, Mapping) or not _OLD_NAMES.keys() <= state.keys():
        return state
    renamed = {_OLD_NAMES.get(name, name): value for name, value in state.items()}
    scores = renamed["task_scores"]
    if isinstance(scores, Mapping):
        known = {n: v for n, v in scores.items() if n in episodes.task_scores}
        current = episodes.task_scores.items()
        new = {name: np.zeros_like(values) for name, values in current if name in _NEW_SCORES}
        renamed["task_scores"] = new | known
    return renamed


def check_state(episodes: EpisodeBuffer, state: Any, over: np.ndarray) -> None:  # noqa: ANN401 - a caller's value
    """Raises ValueError if a state does not fit these rows, texts and examples.

    Args:
        episodes: Of the rows.
        state: Of `get_state`, or a caller's value.
        over: (N,) bool, rows whose episode is over.

    Raises:
        ValueError: Naming what differs.
    """
    lists = _LISTS if as_image_task(episodes.task) is None else (*_LISTS, "images")
    check_parts("of an environment that writes text", state, (*_ARRAYS, *lists, "task_scores"))
    check_arrays(state, {name: getattr(episodes, name) for name in _ARRAYS})
    check_parts("of this task's scores", state["task_scores"], episodes.task_scores)
    check_arrays(state["task_scores"], episodes.task_scores)
    check_lists(state, lists, len(episodes.examples))
    _check_numbers(episodes, state)
    for row in range(len(episodes.examples)):
        _check_row(episodes, row, state)
        _check_ending(episodes, row, state, bool(over[row]))


def set_state(episodes: EpisodeBuffer, state: Mapping[str, Any]) -> None:
    """Restores a state that `check_state` accepted."""
    for name in _ARRAYS:
        getattr(episodes, name)[...] = state[name]
    for name, values in state["task_scores"].items():
        episodes.task_scores[name][...] = values
    for row, pair in enumerate(zip(state["indices"], state["prompts"], strict=True)):
        episodes.set_example(row, _example(episodes, *pair, _image(state, row)))
        episodes.turns[row] = list(state["turns"][row])
        episodes.endings[row] = state["endings"][row]
    episodes.rebuild_texts()


def _check_numbers(episodes: EpisodeBuffer, state: Mapping[str, Any]) -> None:
    """Raises ValueError for counts and ids outside the ranges of these rows."""
    last_id, budget = len(episodes.tokenizer.token_bytes) - 1, episodes.tokens.shape[1]
    highest = dict.fromkeys(("tokens", "references", "contexts"), last_id)
    highest |= dict.fromkeys(("counts", "reference_counts"), budget)
    highest |= dict.fromkeys(("context_lengths", "prompt_lengths"), episodes.contexts.shape[1])
    for name, most in highest.items():
        values = np.asarray(state[name])
        least = 1 if name in ("context_lengths", "prompt_lengths") else 0  # a prompt has a token
        if (values < least).any() or (values > most).any():
            raise ValueError(
                f"Got a state whose {name} lie between {values.min()} and {values.max()}; "
                f"allowed: {least} to {most}. {REMEDY}"
            )


def _check_row(episodes: EpisodeBuffer, row: int, state: Mapping[str, Any]) -> None:
    """Raises ValueError for an unknown example, or for turns or an ending of another type."""
    index, prompt = state["indices"][row], state["prompts"][row]
    count = int(state["reference_counts"][row])
    example = _known_example(episodes, index, prompt, _image(state, row))
    references = np.asarray(state["references"])[row, :count]
    if example is None or not np.array_equal(_reference(episodes, example), references):
        raise ValueError(
            f"Got a state whose row {row} is of example {index!r}, {str(prompt)[:60]!r}, "
            f"which is not that one here. {REMEDY}"
        )
    turns, ending = state["turns"][row], state["endings"][row]
    if not isinstance(turns, (list, tuple)) or not all(isinstance(t, str) for t in turns):
        raise ValueError(f"Got a state whose turns of row {row} are {turns!r}; allowed: texts.")
    check_choice(f"ending of row {row} in a state", ending, (None, *get_args(Ending)))


def _check_ending(
    episodes: EpisodeBuffer, row: int, state: Mapping[str, Any], is_over: bool
) -> None:
    """Raises ValueError if a row is over without an ending, or is full but not over."""
    ending = state["endings"][row]
    count, length = int(state["counts"][row]), int(state["context_lengths"][row])
    is_full = count >= episodes.tokens.shape[1] or length >= episodes.contexts.shape[1]
    if is_over != (ending is not None) or (is_full and not is_over):
        raise ValueError(
            f"Got a state whose row {row} has ending {ending!r}, {count} tokens written and a "
            f"context of {length}, but over={is_over}; allowed: an ending where it is over, and "
            f"space for a token where it is not. {REMEDY}"
        )


def _known_example(
    episodes: EpisodeBuffer,
    index: Any,  # noqa: ANN401 - a caller's values
    prompt: Any,  # noqa: ANN401
    image: Any,  # noqa: ANN401
) -> Example | None:
    """Returns the example of an index, or of a caller's prompt; None if its prompt is another.

    Raises:
        ValueError: If the caller's own image has another shape or type than those here.
    """
    in_range = is_whole(index) and -1 <= index < episodes.task.num_examples
    if not in_range or not isinstance(prompt, str):
        return None
    example = _example(episodes, index, prompt, image)
    is_same = index < 0 or episodes.prompt_text(example) == prompt
    return example if is_same else None


def _reference(episodes: EpisodeBuffer, example: Example) -> np.ndarray:
    return example.reference[: episodes.tokens.shape[1]]


def _example(episodes: EpisodeBuffer, index: int, prompt: str, image: np.ndarray | None) -> Example:
    """Returns the example of an index, or one of a caller's prompt and image if it is -1."""
    task = episodes.task
    if index >= 0:
        return episodes.example(index)
    example, images = task.example_of(prompt), as_image_task(task)
    if images is None:
        return example
    own = images.example_of_image(image)  # type: ignore[arg-type]  # refuses None
    return replace(own, prompt=example.prompt)


def _own_image(example: Example) -> np.ndarray | None:
    """Returns a copy of a caller's own image; None for an image of the task."""
    return example.image.copy() if example.index < 0 and example.image is not None else None


def _image(state: Mapping[str, Any], row: int) -> Any:  # noqa: ANN401 - a caller's value
    return state["images"][row] if "images" in state else None
