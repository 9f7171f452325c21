"""Scores of the synthetic tasks of RL4LMs, which need no data: increasing numbers, and dates.

For `rewards={"lm_envs.tasks.rewards.synthetic:increasing_numbers": 1.0}`. A fixed text earns the
highest value of each ("1 2 3 4 5 6 7 8 9 10", "2000-01-01"): they show whether an agent learns at
all. Knows nothing of tokens or models.

Source: https://github.com/allenai/RL4LMs at 97df0bd, `rl4lms/envs/text_generation/test_reward.py`.
"""

import re
from collections.abc import Sequence
from itertools import pairwise, takewhile

LEAST_WORDS = 10
"""Half of `min_tokens`, which is 20 in all configurations of RL4LMs."""

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def increasing_numbers(text: str, references: Sequence[str] = ()) -> float:
    """Share of words that are numbers in increasing order, in [0, 1]. References are ignored.

    Numbers count from the first one of the text to the last one before a decrease or an equal one;
    other words may stand between them. The share is of the words of the text, or of `LEAST_WORDS`
    if it has fewer. A number is what Python's `float` reads: "inf" is one, "3," is not.
    """
    words = text.split()
    numbers = [float(word) for word in words if _is_number(word)]
    if not numbers:
        return 0.0
    rises = takewhile(lambda pair: pair[0] < pair[1], pairwise(numbers))
    return (1 + len(list(rises))) / max(len(words), LEAST_WORDS)


def has_date(text: str, references: Sequence[str] = ()) -> float:
    """1 if the text contains a date such as "2024-05-31", else 0. References are ignored.

    Any digits count: "0000-99-99" is a date.
    """
    return float(_DATE.search(text) is not None)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
