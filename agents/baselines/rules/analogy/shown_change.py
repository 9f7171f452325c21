"""The rule that applies the change of the solved examples: the reading with the best score.

Owns the score: how alike the pieces are to those of the examples, less a price for each pair of
neighboring words that no known text has. Knows nothing of models or rewards.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from agents.baselines.rules.analogy.changes import Pair, Reading, readings, split_words
from lm_envs.tasks.paraphrase import Paraphrase

_SOLVED = re.compile(r"Text: (?P<text>.*)\nParaphrase: (?P<target>.*)\n\n")
_ASKED = re.compile(r"Text: (?P<text>.*)\nParaphrase:\Z")

START, END = "<", ">"
"""Stand for the beginning and the end of a text."""


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


class WordPairs:
    """Which words are neighbors in known texts, in lower case.

    Args:
        texts: The known texts.
    """

    def __init__(self, texts: Iterable[KnownText]) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()
        self._groups: dict[str, Counter[tuple[str, str]]] = {}
        for each in texts:
            found = _word_pairs(each.text)
            self._counts.update(found)
            self._groups.setdefault(each.group, Counter()).update(found)

    def unknown(self, text: str, without: str | None = None) -> int:
        """Returns the number of pairs that no known text has.

        Args:
            text: Any text.
            without: Group whose texts do not count.
        """
        others = self._groups.get(without or "", Counter()) if without is not None else Counter()
        return sum(self._counts[pair] <= others[pair] for pair in _word_pairs(text))


def parse_shown(prompt: str) -> Shown | None:
    """Returns the solved examples and the text of a prompt; None if it has no such form."""
    asked = _ASKED.search(prompt)
    pairs = tuple(Pair(*found) for found in _SOLVED.findall(prompt))
    return Shown(pairs, asked["text"]) if asked and pairs else None


def has_shown_examples(task: object) -> bool:
    """Returns whether the task's prompts have solved examples of the rule of their text."""
    return isinstance(task, Paraphrase) and task.shows_rules


def ranked_readings(
    shown: Shown, known: WordPairs, price: float, without: str | None = None
) -> list[Reading]:
    """Returns what the change can mean, the best first, with the score as the likeness.

    Args:
        shown: Examples and text.
        known: Pairs of words that are known.
        price: Of a pair that is not known.
        without: Group of known texts that do not count.
    """
    found = [
        Reading(each.text, each.likeness - price * known.unknown(each.text, without))
        for each in readings(shown.text, shown.examples)
    ]
    return sorted(found, key=lambda each: -each.likeness)


class ShownChange:
    """Writes the best reading of a prompt; the text itself where there is none.

    Args:
        known: Pairs of words that are known.
        price: Of a pair that is not known.
    """

    def __init__(self, known: WordPairs, price: float) -> None:
        self.text_for = lru_cache(2**14)(lambda prompt: _best(prompt, known, price))


def known_texts(pairs: Sequence[tuple[str, Sequence[str]]]) -> list[KnownText]:
    """Returns the texts of prompts without solved examples, and their targets."""
    found = []
    for prompt, targets in pairs:
        asked = _ASKED.search(prompt)
        found += [KnownText(asked["text"])] if asked else []
        found += [KnownText(target) for target in targets]
    return found


def _best(prompt: str, known: WordPairs, price: float) -> str:
    shown = parse_shown(prompt)
    if shown is None:
        return ""
    found = ranked_readings(shown, known, price)
    return found[0].text if found else shown.text


def _word_pairs(text: str) -> list[tuple[str, str]]:
    words = [START, *(word.lower() for word in split_words(text)), END]
    return [*pairwise(words)]
