"""The reward: how close a completion is to the number of syllables that its row asks for."""

import re
from collections.abc import Sequence

VOWELS = re.compile("[aeiouy]+", re.IGNORECASE)


def num_syllables(text: str) -> int:
    """Number of groups of vowels, a rough count of English syllables."""
    return len(VOWELS.findall(text))


def right_length(completions: Sequence[str], syllables: Sequence[int | None]) -> list[float]:
    """1 for the right number of syllables, 1 / 2 for one too many or too few, 1 / 3 for two, …

    Args:
        completions: One text a row.
        syllables: The column of that name in the user's file; None for a prompt without a row.
    """
    pairs = zip(completions, syllables, strict=True)
    return [1 / (1 + abs(num_syllables(text) - (wanted or 1))) for text, wanted in pairs]
