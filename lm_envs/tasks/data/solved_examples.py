"""Few-shot prompts: solved examples before the prompt of each example.

Owns which examples are shown, and how. Knows nothing of models, rewards or token budgets.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence

from lm_envs.tasks.data.similar_texts import SimilarTexts

POOL = "train"
"""Split that solved examples come from, whatever the split of the prompts."""

MOST_POOL = 20_000
"""Examples that are searched, evenly spaced in the split: a search takes up to six milliseconds."""

END = "\n\n"
"""Ends a solved example; there are no other blank lines in it."""


def solved_examples(prompts: Sequence[str], pool: Mapping[str, str], shots: int) -> list[str]:
    """Returns the text before each prompt: solved examples, the most similar one last.

    The prompt itself is never shown, since it would give the answer away.

    Args:
        prompts: Of any split.
        pool: Targets by prompt, of the split `POOL`; `MOST_POOL` of them are searched.
        shots: Most solved examples before a prompt.

    Source: examples similar to the prompt, Liu et al. 2021, https://arxiv.org/abs/2101.06804.
    """
    known = list(pool)[:: -(-len(pool) // MOST_POOL)]
    solved = [_solved(prompt, pool[prompt]) for prompt in known]
    similar = SimilarTexts(known)
    texts = []
    for prompt in prompts:
        # One more than needed, since the prompt itself may be among them.
        places = similar.nearest(prompt, shots + 1)
        shown = [solved[place] for place in places if known[place] != prompt][:shots]
        texts.append("".join(reversed(shown)))
    return texts


def drawn_examples(prompt: str, pool: Mapping[str, str], shots: int) -> str:
    """Returns the text before a prompt: solved examples of a small pool, drawn by its hash.

    Args:
        prompt: Which is not in the pool.
        pool: Targets by prompt.
        shots: Most solved examples.
    """
    order = sorted(pool, key=lambda known: hashlib.sha256(f"{prompt} {known}".encode()).digest())
    return "".join(_solved(known, pool[known]) for known in order[:shots])


def _solved(prompt: str, target: str) -> str:
    return f"{_without_blank_lines(prompt)} {target}{END}"


def _without_blank_lines(text: str) -> str:
    return re.sub(r"\n\s*\n", "\n", text)
