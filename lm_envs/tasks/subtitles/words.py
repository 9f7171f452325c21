"""Spoken words: parts of passages word by word, and how much information each word carries.

Owns how a passage is divided. Knows nothing of tokens, rewards or episodes.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from lm_envs.tasks.data.word_prefixes import word_prefixes
from lm_envs.tasks.rewards.text_normalization import rouge_words

UNSEEN = 0.5
"""Times that a word counts as seen which is in no counted text."""


@dataclass(frozen=True, slots=True)
class Speech:
    """Words that are spoken one after the other.

    Attributes:
        context: The text before them, not empty.
        words: Each with the blank before it, if there is one.
    """

    context: str
    words: tuple[str, ...]

    @property
    def text(self) -> str:
        """All words, without the blank before the first one."""
        return "".join(self.words).strip()


def speeches(text: str, context_words: int, spoken_words: int, stride: int) -> Iterator[Speech]:
    """Yields the parts of a passage that have as many words as asked.

    Words that are left over at the end, and shorter passages, make no part.

    Args:
        text: The passage; its line ends count as blanks.
        context_words: Words before each part, 1 or more.
        spoken_words: Words in each part, 1 or more.
        stride: Words between the beginnings of two parts, 1 or more.
    """
    prefixes = word_prefixes(" ".join(text.split()))
    words = [after.removeprefix(before) for before, after in pairwise(prefixes)]
    last = len(words) - spoken_words
    for start in range(context_words, last + 1, stride):
        context = "".join(words[start - context_words : start]).strip()
        yield Speech(context, tuple(words[start : start + spoken_words]))


class WordInformation:
    """The information of words, by how rare they are in some texts.

    Args:
        texts: The texts.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self._counts = Counter(word for text in texts for word in rouge_words(text))
        self._total = self._counts.total() + UNSEEN

    def shares(self, words: Sequence[str]) -> list[float]:
        """Returns the share of each word in the information of all; they add up to 1.

        The information of a word is its negative log-probability as a word of the texts; one
        without letters and digits has none. Where no word has any, all shares are equal.
        """
        information = [sum(map(self._information, rouge_words(word))) for word in words]
        total = sum(information)
        return [each / total if total else 1.0 / len(words) for each in information]

    def _information(self, word: str) -> float:
        return -math.log(max(self._counts[word], UNSEEN) / self._total)
