"""The rule that applies the change of the solved examples: the reading with the best score.

Owns the score: how alike the pieces are to those of the examples, less a price for each pair of
neighboring words that no known text has, and for each of near ones. Knows nothing of models or
rewards.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple, TypeGuard

from agents.baselines.rules.analogy.changes import Pair, Reading, readings, split_words
from lm_envs.tasks.paraphrase import Paraphrase

_SOLVED = re.compile(r"Text: (?P<text>.*)\nParaphrase: (?P<target>.*)\n\n")
_ASKED = re.compile(r"Text: (?P<text>.*)\nParaphrase:\Z")

START, END = "<", ">"
"""Stand for the beginning and the end of a text."""

WordPair = tuple[str, str]

REACH = 4
"""Words that are up to so many places apart, but no neighbors, are near."""


class Shown(NamedTuple):
    """A prompt with solved examples.

    Attributes:
        examples: Solved examples, in their order.
        text: The text to rewrite.
    """

    examples: tuple[Pair, ...]
    text: str


class KnownText(NamedTuple):
    """A text that was learned from.

    Attributes:
        text: The text.
        group: Texts of one group can be left out together.
    """

    text: str
    group: str = ""


class Prices(NamedTuple):
    """What a reading costs.

    Attributes:
        neighbors: Of a pair of neighbors that no known text has.
        near: Of a pair of near words that are near in no known text.
    """

    neighbors: float
    near: float


class WordPairs:
    """Which words are neighbors in known texts, and which are near, in lower case.

    Args:
        texts: The known texts.
    """

    def __init__(self, texts: Iterable[KnownText]) -> None:
        self._all, self._groups = _Counts(Counter(), Counter()), dict[str | None, _Counts]()
        for each in texts:
            own = self._groups.setdefault(each.group, _Counts(Counter(), Counter()))
            for counts in (self._all, own):
                counts.neighbors.update(_neighbors(each.text))
                counts.near.update(_near(each.text))

    def cost(self, text: str, prices: Prices, without: str | None = None) -> float:
        """Returns the price of the pairs that no known text has.

        Args:
            text: Any text.
            prices: Of a pair of neighbors, and of a pair of near words.
            without: Group whose texts do not count.
        """
        others = self._groups.get(without, _Counts(Counter(), Counter()))
        found = prices.neighbors * _unknown(_neighbors(text), self._all.neighbors, others.neighbors)
        if prices.near:
            found += prices.near * _unknown(_near(text), self._all.near, others.near)
        return found


def parse_shown(prompt: str) -> Shown | None:
    """Returns the solved examples and the text of a prompt; None if it has no such form."""
    asked = _ASKED.search(prompt)
    pairs = tuple(Pair(*found) for found in _SOLVED.findall(prompt))
    return Shown(pairs, asked["text"]) if asked and pairs else None


def has_shown_examples(task: object) -> TypeGuard[Paraphrase]:
    """Returns whether the task's prompts have solved examples of the rule of their text."""
    return isinstance(task, Paraphrase) and task.shows_rules


def ranked_readings(
    shown: Shown, known: WordPairs, prices: Prices, without: str | None = None
) -> list[Reading]:
    """Returns what the change can mean, the best first, with the score as the likeness.

    Args:
        shown: Examples and text.
        known: Pairs of words that are known.
        prices: Of pairs that are not.
        without: Group of known texts that do not count.
    """
    found = [
        Reading(each.text, each.likeness - known.cost(each.text, prices, without))
        for each in readings(shown.text, shown.examples)
    ]
    return sorted(found, key=lambda each: -each.likeness)


def shown_change(known: WordPairs, prices: Prices) -> Callable[[str], str]:
    """Returns the function from a prompt to its best reading; to its text where there is none.

    Args:
        known: Pairs of words that are known.
        prices: Of pairs that are not.
    """

    @lru_cache(2**14)
    def text_for(prompt: str) -> str:
        shown = parse_shown(prompt)
        found = ranked_readings(shown, known, prices) if shown else []
        return found[0].text if found else shown.text if shown else ""

    return text_for


def known_texts(pairs: Sequence[tuple[str, Sequence[str]]]) -> list[KnownText]:
    """Returns the texts of prompts without solved examples, and their targets."""
    found = []
    for prompt, targets in pairs:
        asked = _ASKED.search(prompt)
        found += [KnownText(asked["text"])] if asked else []
        found += [KnownText(target) for target in targets]
    return found


class _Counts(NamedTuple):
    neighbors: Counter[WordPair]
    near: Counter[WordPair]


def _unknown(pairs: Iterable[WordPair], every: Counter[WordPair], others: Counter[WordPair]) -> int:
    """Returns how many pairs are in no text but the others."""
    return sum(every[pair] <= others[pair] for pair in pairs)


def _neighbors(text: str) -> set[WordPair]:
    words = [START, *(word.lower() for word in split_words(text)), END]
    return {*pairwise(words)}


def _near(text: str) -> set[WordPair]:
    words = [word.lower() for word in split_words(text)]
    return {
        (word, other)
        for place, word in enumerate(words)
        for other in words[place + 2 : place + REACH + 1]
    }
