"""What a label earns under beliefs: the decision of least expected cost (Bayes decision).

Owns how the weights of accuracy and cost, and the table of costs, become one number for each pair
of labels. Knows no policy.

Source: Berger 1985, https://doi.org/10.1007/978-1-4757-4286-2, chapter 1.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lm_envs.tasks.base import Example
from lm_envs.tasks.classification import ACCURACY, COST, Classification
from lm_envs.tasks.simulators.reading import READ


@dataclass(frozen=True, slots=True)
class LabelPayoffs:
    """What writing a label earns where another is correct, in units of a mistake's mean loss.

    Attributes:
        labels: L labels.
        table: (L, L) by the correct label and the written one: 1 for the correct one, and for a
            wrong one 0 on average. Without costs it is the identity.
        unit: Mean reward that a mistake loses; 0 if no label earns anything.
    """

    labels: tuple[str, ...]
    table: np.ndarray
    unit: float

    def expected(self, shares: np.ndarray) -> np.ndarray:
        """Returns what writing each label is expected to earn, for probabilities (..., L)."""
        return shares @ self.table

    def best(self, shares: np.ndarray) -> np.ndarray:
        """Returns the number of the label of least expected cost, for probabilities (..., L)."""
        return self.expected(shares).argmax(-1)


def label_payoffs(task: Classification, examples: Sequence[Example]) -> LabelPayoffs:
    """Returns the payoffs of a task's labels.

    Args:
        task: The classification.
        examples: Where the cost of a mistake depends on the text, its mean over these counts: what
            it is for a new text is not known before the label is written.
    """
    factor = float(np.mean([task.cost_factor(example) for example in examples]))
    losses = _losses(task.reward.weights, task.label_costs, factor)
    is_wrong = ~np.eye(len(losses), dtype=bool)
    unit = float(losses[is_wrong].mean()) if len(losses) > 1 else 0.0
    table = 1.0 - losses / abs(unit) if unit else np.eye(len(losses))
    return LabelPayoffs(task.labels, table, unit)


def earned(
    task: Classification, examples: Sequence[Example], payoffs: LabelPayoffs
) -> list[np.ndarray]:
    """Returns what writing each label (L,) earns on each example, in the units of `payoffs`."""
    correct = [payoffs.labels.index(example.targets[0]) for example in examples]
    if not payoffs.unit:
        return [payoffs.table[label] for label in correct]
    weights, costs = task.reward.weights, task.label_costs
    factors = [task.cost_factor(example) for example in examples]
    tables = {factor: _losses(weights, costs, factor) for factor in dict.fromkeys(factors)}
    pairs = zip(correct, factors, strict=True)
    return [1.0 - tables[factor][label] / abs(payoffs.unit) for label, factor in pairs]


def price_of_reading(weights: Mapping[str, float], payoffs: LabelPayoffs) -> float:
    """Returns what a text that is read whole costs, in mean mistakes; 0 if labels earn nothing.

    Args:
        weights: Of the scores.
        payoffs: Of the labels.
    """
    return -weights.get(READ, 0.0) / payoffs.unit if payoffs.unit > 0.0 else 0.0


def _losses(weights: Mapping[str, float], costs: np.ndarray, factor: float) -> np.ndarray:
    """Returns the reward (L, L) that writing a label loses to writing the correct one."""
    right = np.eye(len(costs))
    table = weights.get(ACCURACY, 0.0) * right + weights.get(COST, 0.0) * factor * costs
    return np.diag(table)[:, None] - table
