"""What it costs to write one label where another is correct. Knows nothing of tasks or episodes."""

from collections.abc import Mapping, Sequence
from math import isfinite

import numpy as np

from lm_envs.tasks.rewards.text_normalization import normalize_label
from lm_envs.validation import check_choice, check_number

Costs = Mapping[str, Mapping[str, float]]
"""Cost by the correct label and the written label."""


class LabelCosts:
    """The cost of each mistake: its entry in a table, or 1.

    Args:
        costs: The table; None for an empty one.
        labels: All labels.

    Raises:
        ValueError: If the table has an unknown label, or a cost that is no finite number.
    """

    def __init__(self, costs: Costs | None, labels: Sequence[str]) -> None:
        for correct, row in (costs or {}).items():
            check_choice("label in costs", correct, labels)
            for written, cost in row.items():
                check_choice("label in costs", written, labels)
                check_number(f"cost of {written!r} for {correct!r}", cost)
        self._costs = {
            normalize_label(correct): {normalize_label(label): row[label] for label in row}
            for correct, row in (costs or {}).items()
        }

    def least(self, correct: Sequence[str], written: str) -> float:
        """Returns the cost of a written text: the smallest over one or more correct labels."""
        key = normalize_label(written)
        return min(self._cost(normalize_label(label), key) for label in correct)

    def matrix(self, labels: Sequence[str]) -> np.ndarray:
        """Returns the cost (L, L) of writing each label (column) where each (row) is correct."""
        keys = [normalize_label(label) for label in labels]
        return np.array([[self._cost(correct, written) for written in keys] for correct in keys])

    def _cost(self, correct: str, written: str) -> float:
        return self._costs.get(correct, {}).get(written, float(written != correct))


def parsed_cost(text: str, location: str) -> float:
    """Returns the number that a field contains, which multiplies the cost of a mistake on a text.

    Args:
        text: Of the field.
        location: File and line, for the error message.

    Raises:
        ValueError: If it is no finite number.
    """
    try:
        cost = float(text)
    except ValueError:
        cost = float("nan")
    if not isfinite(cost):
        raise ValueError(f"Got cost {text!r} at {location}; allowed: a finite number.")
    return cost
