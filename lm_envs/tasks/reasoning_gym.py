"""Generated questions with verified answers, from the optional package reasoning_gym.

Owns the number of questions and their splits. Knows nothing of prompts or tokens.

Source: https://github.com/open-thought/reasoning-gym
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

from lm_envs.tasks.splits import SPLITS, SplitSpec
from lm_envs.validation import did_you_mean, first_line

PREFIX = "reasoning_gym:"
"""Prefix of dataset names: a task of reasoning_gym follows, such as "basic_arithmetic", and perhaps
its arguments as in the query of a URL: "chain_sum?max_terms=2&max_digits=2"."""

NUM_QUESTIONS: dict[str, int] = dict(zip(SPLITS, (2000, 200, 200), strict=True))
_REQUIRE_ARGUMENTS = {"composite"}
"""Tasks that cannot be created with default arguments."""

_SEED_STRIDE = 10**6
"""Distance of the first seeds of two splits: question i of a split has the seed first + i."""


@dataclass(frozen=True, slots=True)
class GeneratedQuestion:
    """A generated question.

    Attributes:
        text: Text of the question.
        answer: One correct answer.
        verify: Returns the correctness of any answer, in [0, 1].
    """

    text: str
    answer: str
    verify: Callable[[str], float]


def questions(dataset: str, split: str) -> list[GeneratedQuestion]:
    """Returns the questions of a split; held-out questions do not appear in the training split.

    Args:
        dataset: `PREFIX` and the name of a task, with or without arguments.
        split: "train", "validation" or "test", or a part of one; see `SplitSpec`.

    Raises:
        ValueError: If reasoning_gym is not installed, has no such task, does not accept the
            arguments, or gives no answers.
    """
    spec = SplitSpec.parse(split)
    found = _generate(dataset, spec.name)
    if spec.name != "train":
        found = _without_training_questions(found, dataset, spec.name)
    return spec.select(found, lambda question: question.text)


def _without_training_questions(
    found: list[GeneratedQuestion], dataset: str, split: str
) -> list[GeneratedQuestion]:
    training = {question.text for question in _generate(dataset, "train")}
    held_out = [question for question in found if question.text not in training]
    if not held_out:
        raise ValueError(
            f"Got split={split!r} of {dataset!r}, whose questions all appear in 'train' too; use "
            "another task."
        )
    return held_out


def _generate(dataset: str, split: str) -> list[GeneratedQuestion]:
    try:
        from reasoning_gym.factory import (  # type: ignore[import-not-found]  # an extra
            DATASETS,
            create_dataset,
        )
    except ModuleNotFoundError:
        raise ValueError(
            f"Got dataset={dataset!r}, which needs `pip install lm_envs[reasoning]`."
        ) from None
    name, _, query = dataset.removeprefix(PREFIX).partition("?")
    allowed = sorted(DATASETS.keys() - _REQUIRE_ARGUMENTS)
    if name not in allowed:
        hint = did_you_mean(name, allowed)
        raise ValueError(
            f"Got dataset={dataset!r}; allowed after {PREFIX!r}: {', '.join(allowed)}.{hint}"
        )
    seed = _SEED_STRIDE * SPLITS.index(split)
    create = partial(create_dataset, name, seed=seed, size=NUM_QUESTIONS[split])
    generated = _create(create, dataset, query)
    found = {  # by text, because some tasks repeat questions
        entry["question"]: GeneratedQuestion(
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


def _create(create: Callable[..., Any], dataset: str, query: str) -> Any:  # noqa: ANN401
    """The dataset with the arguments of a query; numbers, true and false are read as JSON."""
    arguments = {}
    for name, text in parse_qsl(query, keep_blank_values=True):
        try:
            arguments[name] = json.loads(text)
        except ValueError:
            arguments[name] = text
    try:
        for reserved in arguments.keys() & {"seed", "size"}:
            raise TypeError(f"{reserved} is chosen by the split")
        return create(**arguments)
    except (TypeError, ValueError, AssertionError) as error:  # of the task's own checks
        if not arguments:
            raise
        raise ValueError(
            f"Got dataset={dataset!r}, whose arguments the task does not accept: "
            f"{first_line(error)}. Allowed: the fields of its config class in reasoning_gym."
        ) from None


def _verify(generated: Any, entry: dict[str, Any], answer: str) -> float:  # noqa: ANN401
    """Correctness of an answer, in [0, 1]; 0 if the verifier raises an error on it."""
    try:
        score = float(generated.score_answer(answer.strip(), entry))
    except Exception:  # over a hundred verifiers raise errors of different types
        return 0.0
    return min(max(score, 0.0), 1.0)
