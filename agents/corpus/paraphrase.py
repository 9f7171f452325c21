"""English and Chinese paraphrase pairs, made from sentence patterns and short word lists.

Owns the splits of the pairs; patterns and words live in `families`.
"""

import itertools
from collections.abc import Iterator

from agents.corpus.families import FAMILIES_EN, FAMILIES_ZH, Words
from agents.corpus.sources import held_out_split
from lm_envs.tasks.splits import split_of


def pairs() -> Iterator[dict[str, str]]:
    """Yields rows text, target, language, split; those with a further word last, all held out."""
    for language, source, target, words, _ in _families():
        for filling in itertools.product(*words):
            row = _row(language, source, target, filling)
            yield row | {"split": split_of(f"paraphrase {row['text']}", held_out=0.1)}
    for language, source, target, words, further in _families():
        for filling in _fillings_with(further, words):
            row = _row(language, source, target, filling)
            yield row | {"split": held_out_split(f"paraphrase {row['text']}")}


def _families() -> Iterator[tuple[str, str, str, Words, Words]]:
    for language, families in (("en", FAMILIES_EN), ("zh", FAMILIES_ZH)):
        for family in families:
            yield language, *family


def _fillings_with(further: Words, words: Words) -> Iterator[tuple[str, ...]]:
    """Returns the fillings of the slots with at least one further word."""
    slots = [(*known, *new) for known, new in zip(words, further, strict=True)]
    known = set(itertools.product(*words))
    return (filling for filling in itertools.product(*slots) if filling not in known)


def _row(language: str, source: str, target: str, filling: tuple[str, ...]) -> dict[str, str]:
    text, other = (_sentence(pattern.format(*filling)) for pattern in (source, target))
    return {"text": text, "target": other, "language": language}


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]
