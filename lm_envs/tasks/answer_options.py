"""Answer options of one-line tasks: a correct text among wrong ones.

Owns the draw of wrong options and the rule by which two texts are the same answer. Knows nothing of
prompts, rows or tokens.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence

import numpy as np

from lm_envs.tasks.rewards.text_normalization import normalize_answer

NUM_OPTIONS = 4

AnswerKey = Callable[[str], Hashable]
"""Returns a key that is equal for two texts that are the same answer."""


def draw_options(
    targets: Sequence[tuple[str, ...]],
    groups: Sequence[str],
    answer_key: AnswerKey = normalize_answer,
) -> list[tuple[str, ...]]:
    """Draws the options of each item: its first target among first targets of its group.

    Every item has `NUM_OPTIONS` options, or fewer if there are not enough other targets for one of
    the items. The drawn texts and their order depend only on the item's index. Groups with too few
    different targets use the targets of all groups. No two options of an item are the same answer,
    and no wrong option is the same answer as a target.

    Args:
        targets: For each item one or more correct texts.
        groups: For each item the name of its group.
        answer_key: Decides which texts are the same answer.
    """
    firsts = [each[0] for each in targets]
    everything = _pool(firsts, answer_key)
    members: dict[str, list[str]] = {}
    for first, group in zip(firsts, groups, strict=True):
        members.setdefault(group, []).append(first)
    pools = {group: _pool(texts, answer_key) for group, texts in members.items()}
    # A list for each group, not for each item: a pool may have as many texts as there are items.
    lists = {group: list(pool.items()) for group, pool in pools.items()}
    all_texts = list(everything.items())
    correct = [{answer_key(text) for text in each} for each in targets]
    size = min(NUM_OPTIONS - 1, min(_num_wrong(everything, keys) for keys in correct))
    options = []
    for index, (first, group, keys) in enumerate(zip(firsts, groups, correct, strict=True)):
        has_enough = _num_wrong(pools[group], keys) >= size
        pool = lists[group] if has_enough else all_texts
        rng = np.random.default_rng((0, index))
        # Correct texts may be drawn too. So many more are drawn that `size` wrong ones remain.
        drawn = rng.choice(len(pool), min(size + len(keys), len(pool)), replace=False)
        chosen = [pool[place][1] for place in drawn if pool[place][0] not in keys][:size]
        chosen.insert(int(rng.integers(size + 1)), first)
        options.append(tuple(chosen))
    return options


def _pool(texts: Iterable[str], answer_key: AnswerKey) -> dict[Hashable, str]:
    """Returns one text for each answer, by its key, in the order of the texts."""
    pool: dict[Hashable, str] = {}
    for text in sorted(set(texts)):
        pool.setdefault(answer_key(text), text)
    return pool


def _num_wrong(pool: dict[Hashable, str], correct: set[Hashable]) -> int:
    return len(pool) - sum(key in pool for key in correct)
