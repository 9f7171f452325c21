"""Groups of texts that a model is evaluated on: prompts of a task and their references.

Owns which examples are in which group. Knows nothing of models or rewards.
"""

import warnings
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from lm_envs.tasks.base import Task
from lm_envs.tokenizer import Tokenizer

MOST_GROUPS = 2**10
"""Size of the cache for the tokens of groups."""


@dataclass(frozen=True, slots=True)
class Passages:
    """Texts that a model is evaluated on together.

    Attributes:
        index: Number of the group.
        tokens: B arrays (T,) int64: prompt and reference.
        starts: B positions, 1 <= start < T, of the first token of each reference.
        title: A description, the prompt of an episode.
    """

    index: int
    tokens: tuple[np.ndarray, ...]
    starts: tuple[int, ...]
    title: str

    @property
    def sizes(self) -> np.ndarray:
        """(B,) int64 number of tokens in each reference."""
        return np.array([len(t) - s for t, s in zip(self.tokens, self.starts, strict=True)])

    def halves(self) -> tuple["Passages", "Passages"]:
        """Returns the passages of even and of odd position."""
        return self._part(slice(0, None, 2)), self._part(slice(1, None, 2))

    def cut(self, count: int) -> tuple["Passages", "Passages"]:
        """Returns the first `count` passages, and the others."""
        return self._part(slice(count)), self._part(slice(count, None))

    def _part(self, places: slice) -> "Passages":
        return Passages(self.index, self.tokens[places], self.starts[places], self.title)


class PassageGroups:
    """The examples of a task in groups of one size, each spread evenly over the split.

    Args:
        tokenizer: The model's tokenizer.
        task: A task of one turn; its examples are no longer than the model's context.
        size: Examples in a group.
        name: Name of the task and the split, for titles.
        shared: Whether groups share examples: each example is the first one of a group. Otherwise
            each is in one group, and the remainder in none.
        least_tokens: Examples whose prompt and reference have fewer tokens together are left out.

    Attributes:
        num_groups: Number of groups.
        group: Returns the `Passages` of a number, 0 <= number < num_groups.

    Warns:
        UserWarning: If examples are too short.

    Raises:
        ValueError: If fewer than `size` examples have a reference and enough tokens.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        task: Task,
        size: int,
        name: str,
        *,
        shared: bool = False,
        least_tokens: int = 2,
    ) -> None:
        self._task, self._tokenizer, self._size, self._name = task, tokenizer, size, name
        self._usable = _usable(task, least_tokens, name)
        if len(self._usable) < size:
            raise ValueError(
                f"Got passages={size} of {name}; allowed: up to {len(self._usable)}, the "
                f"number of examples with a reference and {least_tokens} tokens or more."
            )
        # Example k of group i is k `distance` after the first one, which is i.
        self._distance = len(self._usable) // size
        self.num_groups = len(self._usable) if shared else self._distance
        self.group = lru_cache(MOST_GROUPS)(self._group)

    def _group(self, index: int) -> Passages:
        """Returns the group of a number, 0 <= index < num_groups."""
        places = index + self._distance * np.arange(self._size)
        numbers = [self._usable[place % len(self._usable)] for place in places.tolist()]
        examples = [self._task.example(number) for number in numbers]
        tokens = tuple(np.concatenate([each.prompt, each.reference]) for each in examples)
        first = " ".join(self._tokenizer.decode(tokens[0]).split())
        count = "a passage" if self._size == 1 else f"{self._size} passages"
        title = f"{count} of {self._name}: {first}\n"
        return Passages(index, tokens, tuple(len(each.prompt) for each in examples), title)


def _usable(task: Task, least_tokens: int, name: str) -> list[int]:
    """Returns the numbers of the examples that have a reference and enough tokens.

    Warns:
        UserWarning: If some have a reference, but too few tokens.
    """
    examples = [task.example(number) for number in range(task.num_examples)]
    lengths = [len(each.prompt) + len(each.reference) for each in examples]
    has_reference = [len(each.reference) > 0 for each in examples]
    pairs = list(zip(lengths, has_reference, strict=True))
    usable = [n for n, (length, has) in enumerate(pairs) if has and length >= least_tokens]
    if len(usable) < sum(has_reference):
        warnings.warn(
            f"Left out {sum(has_reference) - len(usable)} of {sum(has_reference)} examples of "
            f"{name}, which have fewer than {least_tokens} tokens; the longest has "
            f"{max(lengths)}.",
            UserWarning,
            stacklevel=2,
        )
    return usable
