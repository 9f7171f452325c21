"""The beginnings of a text, word by word. Owns what a word is; knows no task."""

import re

from lm_envs.tasks.rewards.text_normalization import CJK

_WORD = re.compile(rf"[{CJK}][^\s\w]*|[^\s{CJK}]+")
"""A CJK character with its punctuation, or what stands between blanks."""


def word_prefixes(text: str) -> list[str]:
    """Returns the beginnings of a text with 0, 1, … words; the last one is the whole text.

    A word is what stands between blanks; each CJK character with its punctuation is one.
    """
    ends = [word.end() for word in _WORD.finditer(text)]
    return ["", *(text[:end] for end in ends[:-1]), text]
