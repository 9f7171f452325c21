"""Answer options of one-line tasks: a correct text among wrong ones.

Owns the draw of wrong options and the rule by which two texts are the same answer. Knows nothing of
prompts, rows or tokens.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

import numpy as np

from lm_envs.tasks.rewards.text_normalization import normalize_answer

NUM_OPTIONS = 4

AnswerKey = Callable[[str], Hashable]
"""Returns a key that is equal for two texts that are the same answer."""


class DrawnOptions(Sequence[tuple[str, ...]]):
    """The options of each item: its first target among first targets of its group.

    Every item has `NUM_OPTIONS` options, or fewer if there are not enough other targets for one of
    the items. The drawn texts and their order depend only on the item's index. Groups with too few
    different targets use the targets of all groups. No two options of an item are the same answer,
    and no wrong option is the same answer as a target.

    They are drawn when an item's are read, and kept: agents that write tokens read none.

    Args:
        targets: For each item one or more correct texts.
        groups: For each item the name of its group.
        answer_key: Decides which texts are the same answer.
    """

    def __init__(
        self,
        targets: Sequence[tuple[str, ...]],
        groups: Sequence[str],
        answer_key: AnswerKey = normalize_answer,
    ) -> None:
        self._firsts, self._groups = [each[0] for each in targets], groups
        everything = _pool(self._firsts, answer_key)
        members: dict[str, list[str]] = {}
        for first, group in zip(self._firsts, groups, strict=True):
            members.setdefault(group, []).append(first)
        self._pools = {group: _pool(texts, answer_key) for group, texts in members.items()}
        # A list for each group, not for each item: a pool may be as long as the items are many.
        self._lists = {group: list(pool.items()) for group, pool in self._pools.items()}
        self._all_texts = list(everything.items())
        self._correct = [{answer_key(text) for text in each} for each in targets]
        least = min(_num_wrong(everything, keys) for keys in self._correct)
        self._size = min(NUM_OPTIONS - 1, least)
        self._drawn: dict[int, tuple[str, ...]] = {}

    def __len__(self) -> int:
        """Number of items."""
        return len(self._firsts)

    def __getitem__(self, index: Any) -> Any:  # noqa: ANN401 - a place or a slice, as in a list
        """Returns the options of an item."""
        if isinstance(index, slice):
            return [self[place] for place in range(len(self))[index]]
        place = range(len(self))[index]
        if place not in self._drawn:
            self._drawn[place] = self._draw(place)
        return self._drawn[place]

    def _draw(self, index: int) -> tuple[str, ...]:
        first, group, keys = self._firsts[index], self._groups[index], self._correct[index]
        size = self._size
        has_enough = _num_wrong(self._pools[group], keys) >= size
        pool = self._lists[group] if has_enough else self._all_texts
        rng = np.random.default_rng((0, index))
        # Correct texts may be drawn too. So many more are drawn that `size` wrong ones remain.
        drawn = rng.choice(len(pool), min(size + len(keys), len(pool)), replace=False)
        chosen = [pool[place][1] for place in drawn if pool[place][0] not in keys][:size]
        chosen.insert(int(rng.integers(size + 1)), first)
        return tuple(chosen)


def _pool(texts: Iterable[str], answer_key: AnswerKey) -> dict[Hashable, str]:
    """Returns one text for each answer, by its key, in the order of the texts."""
    pool: dict[Hashable, str] = {}
    for text in sorted(set(texts)):
        pool.setdefault(answer_key(text), text)
    return pool


def _num_wrong(pool: dict[Hashable, str], correct: set[Hashable]) -> int:
    return len(pool) - sum(key in pool for key in correct)
