"""Texts in groups, for a model to be judged by: prompts of a task and how they should go on.

Owns which examples stand together. Knows nothing of models or rewards.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from lm_envs.tasks.base import Task
from lm_envs.tokenizer import Tokenizer

MOST_GROUPS = 2**10
"""Groups whose tokens are remembered."""


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
    """The examples of a task in groups of one size, spread evenly over each.

    Args:
        tokenizer: Cuts texts into tokens.
        task: Whose examples; of one turn, and no longer than a model reads.
        size: Examples in a group; the few that are left over stand in none.
        name: Of the task and the split, in words.

    Raises:
        ValueError: If fewer examples than `size` say how they go on.
    """

    def __init__(self, tokenizer: Tokenizer, task: Task, size: int, name: str) -> None:
        self._task, self._tokenizer, self._size, self._name = task, tokenizer, size, name
        numbers = range(task.num_examples)
        self._usable = [number for number in numbers if len(task.example(number).reference)]
        if len(self._usable) < size:
            raise ValueError(
                f"Got passages={size} of {name}; allowed: up to {len(self._usable)}, as many "
                "examples as say how they go on."
            )
        self.num_groups = len(self._usable) // size
        self.group = lru_cache(MOST_GROUPS)(self._group)

    def _group(self, index: int) -> Passages:
        """The group of that number, 0 <= index < num_groups."""
        numbers = self._usable[index :: self.num_groups][: self._size]
        examples = [self._task.example(number) for number in numbers]
        tokens = tuple(np.concatenate([each.prompt, each.reference]) for each in examples)
        first = " ".join(self._tokenizer.decode(tokens[0]).split())
        title = f"{self._size} passages of {self._name}: {first}\n"
        return Passages(index, tokens, tuple(len(each.prompt) for each in examples), title)
