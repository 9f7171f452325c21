"""A text that an agent reads in parts: the first words, and more words with each reading.

Owns how much of a text is shown after some readings. Knows nothing of labels or rewards.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

READ = "read"
"""The line that shows the next words."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How fast a text is shown.

    The text is given by its prefixes: its beginnings with 0, 1, … words (`word_prefixes`).

    Attributes:
        first_words: Words that are shown at the start, at least 1.
        read_words: Words that each reading shows beside the earlier ones, at least 1.
    """

    first_words: int
    read_words: int

    def num_shown(self, prefixes: Sequence[str], readings: int) -> int:
        """Returns the number of words that are shown after some readings."""
        return min(self.first_words + readings * self.read_words, len(prefixes) - 1)

    def shown(self, prefixes: Sequence[str], readings: int) -> str:
        """Returns the words that are shown after some readings."""
        return prefixes[self.num_shown(prefixes, readings)]

    def new_words(self, prefixes: Sequence[str], readings: int) -> str:
        """Returns what the last of one or more readings showed."""
        before = self.shown(prefixes, readings - 1)
        return self.shown(prefixes, readings).removeprefix(before).strip()

    def share(self, prefixes: Sequence[str], readings: int) -> float:
        """Returns the share of the words that is shown, in [0, 1]; 1 of a text without words."""
        return self.num_shown(prefixes, readings) / max(len(prefixes) - 1, 1)

    def is_complete(self, prefixes: Sequence[str], readings: int) -> bool:
        """Returns whether the whole text is shown."""
        return self.num_shown(prefixes, readings) == len(prefixes) - 1

    def stages(self, prefixes: Sequence[str]) -> tuple[str, ...]:
        """Returns the words that are shown after 0, 1, … readings, until the text is complete."""
        readings = range(self.most_readings(len(prefixes) - 1) + 1)
        return tuple(self.shown(prefixes, each) for each in readings)

    def most_readings(self, num_words: int) -> int:
        """Returns the number of readings after which a text of `num_words` is complete."""
        return max(0, ceil((num_words - self.first_words) / self.read_words))
