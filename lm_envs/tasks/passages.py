"""Texts in groups, for a model to be judged by: prompts of a task and how they should go on.

Owns which examples stand together. Knows nothing of models or rewards.
"""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from lm_envs.checks import UnexpectedArgumentError, check_choice, check_count, did_you_mean
from lm_envs.tasks import TASKS
from lm_envs.tokenizer import Tokenizer

MOST_GROUPS = 2**10
"""Groups whose tokens are remembered."""

REFUSED = ("rewards", "costs")
"""Arguments of tasks that say what is paid for a text."""


@dataclass(frozen=True, slots=True)
class Passages:
    """Texts that a model is judged by together.

    Attributes:
        index: Of the group.
        tokens: B arrays (T,) int64: prompt and reference.
        starts: B places, 1 <= start < T, where the references begin.
        title: What they are, in words.
    """

    index: int
    tokens: tuple[np.ndarray, ...]
    starts: tuple[int, ...]
    title: str

    @property
    def sizes(self) -> np.ndarray:
        """(B,) int64 tokens of the references."""
        return np.array([len(t) - s for t, s in zip(self.tokens, self.starts, strict=True)])

    def halves(self) -> tuple["Passages", "Passages"]:
        """Every other passage, and those between."""
        return tuple(  # type: ignore[return-value]  # two
            Passages(self.index, self.tokens[first::2], self.starts[first::2], self.title)
            for first in (0, 1)
        )


class PassageGroups:
    """The examples of a task in groups of like size, spread evenly over each.

    Args:
        tokenizer: Cuts texts into tokens.
        task: Name in `lm_envs.tasks.TASKS`.
        size: Examples in a group.
        longest: Most tokens that a model reads at once.
        options: Arguments of the task, such as `dataset` and `split`; all but what is paid.

    Raises:
        UnexpectedArgumentError: If the task has no such argument.
        ValueError: If an argument is not allowed, or there are fewer examples than `size`.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        task: str,
        size: int,
        longest: int,
        options: Mapping[str, Any],
    ) -> None:
        check_choice("task", task, TASKS)
        check_count("passages", size)
        _check_options(TASKS[task], options)
        self._task = TASKS[task](tokenizer, **options)
        self._tokenizer, self._size, self._longest = tokenizer, size, longest
        self._title = f"{task.replace('_', ' ')}, {options.get('split', 'train')}"
        if self._task.num_examples < size:
            raise ValueError(
                f"Got passages={size} of {self._task.num_examples} examples; lower passages."
            )
        self.num_groups = self._task.num_examples // size
        self.group = lru_cache(MOST_GROUPS)(self._group)

    def _group(self, index: int) -> Passages:
        """The group of that number, 0 <= index < num_groups."""
        numbers = index + self.num_groups * np.arange(self._size)
        examples = [self._task.example(int(number)) for number in numbers]
        pairs = [(each.prompt, each.reference) for each in examples if len(each.reference)]
        if not pairs:
            raise ValueError(
                f"Got examples {numbers.tolist()} of {self._title}, of which none says how it goes "
                "on; allowed: tasks and datasets with references."
            )
        tokens = tuple(np.concatenate(pair)[: self._longest] for pair in pairs)
        starts = tuple(min(len(p), len(t) - 1) for (p, _), t in zip(pairs, tokens, strict=True))
        first = " ".join(self._tokenizer.decode(tokens[0]).split())
        title = f"{len(pairs)} passages of {self._title}: {first} …\n"
        return Passages(index, tokens, starts, title)


def _check_options(task: type, options: Mapping[str, Any]) -> None:
    parameters = inspect.signature(task).parameters.values()
    names = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.name not in REFUSED]
    for name in options:
        if name not in names:
            raise UnexpectedArgumentError(  # in Python's words: TorchRL looks for them
                f"Got an unexpected keyword argument {name!r}; allowed: the environment's own and "
                f"{', '.join(names)}.{did_you_mean(name, names)}"
            )
