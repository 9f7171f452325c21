"""Generated questions whose answers a program verifies: the door to reasoning_gym, an extra.

Owns which questions are of which split. Knows nothing of prompts or tokens.

Source: https://github.com/open-thought/reasoning-gym
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from lm_envs.tasks.splits import SPLITS, Part
from lm_envs.validation import did_you_mean

PREFIX = "reasoning_gym:"
"""What a dataset is called: this and the name of one of its tasks, such as "basic_arithmetic"."""

NUM_QUESTIONS: dict[str, int] = dict(zip(SPLITS, (2000, 200, 200), strict=True))
_NEED_SETTINGS = {"composite"}
"""Tasks that are nothing without arguments."""

_APART = 10**6
"""Question i of a data set has seed + i, so splits begin far apart."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question, a right answer, and what any answer is worth, 0 to 1."""

    text: str
    answer: str
    verify: Callable[[str], float]


def questions(dataset: str, split: str) -> list[Question]:
    """The questions of a split; none of the others is a question of the training split.

    Args:
        dataset: `PREFIX` and the name of a task.
        split: "train", "validation" or "test", or a part of one; see `Part`.

    Raises:
        ValueError: If reasoning_gym is not installed, has no such task, or writes no answers to it.
    """
    part = Part.parse(split)
    found = _generate(dataset, part.name)
    if part.name != "train":
        found = _unknown(found, dataset, part.name)
    return part.take(found, lambda question: question.text)


def _unknown(found: list[Question], dataset: str, split: str) -> list[Question]:
    known = {question.text for question in _generate(dataset, "train")}
    held_out = [question for question in found if question.text not in known]
    if not held_out:
        raise ValueError(
            f"Got split={split!r} of {dataset!r}, whose every question is one of 'train' too; "
            "use another task."
        )
    return held_out


def _generate(dataset: str, split: str) -> list[Question]:
    try:
        from reasoning_gym.factory import (  # type: ignore[import-not-found]  # an extra
            DATASETS,
            create_dataset,
        )
    except ModuleNotFoundError:
        raise ValueError(
            f"Got dataset={dataset!r}, which needs `pip install lm_envs[reasoning]`."
        ) from None
    name = dataset.removeprefix(PREFIX)
    allowed = sorted(DATASETS.keys() - _NEED_SETTINGS)
    if name not in allowed:
        hint = did_you_mean(name, allowed)
        raise ValueError(
            f"Got dataset={dataset!r}; allowed after {PREFIX!r}: {', '.join(allowed)}.{hint}"
        )
    generated = create_dataset(name, seed=_APART * SPLITS.index(split), size=NUM_QUESTIONS[split])
    found = {
        entry["question"]: Question(
            entry["question"], entry["answer"], partial(_verify, generated, entry)
        )
        for entry in generated
        if entry["answer"]
    }
    if not found:
        raise ValueError(
            f"Got dataset={dataset!r}, whose questions come without answers; use another task."
        )
    return list(found.values())


def _verify(generated: Any, entry: dict[str, Any], answer: str) -> float:  # noqa: ANN401
    """What an answer is worth; one that the verifier cannot read is worth nothing."""
    try:
        worth = float(generated.score_answer(answer.strip(), entry))
    except Exception:  # of over a hundred verifiers, each with errors of its own
        return 0.0
    return min(max(worth, 0.0), 1.0)
