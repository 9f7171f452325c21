"""Exact Shapley values: how much each group of an observation added to a preference.

The value of a coalition is the mean preference where the groups outside of it are those of other
steps. Knows nothing of environments.

Sources: Shapley 1953, https://doi.org/10.1515/9781400881970-018; interventional values, Janzing et
al. 2020, https://arxiv.org/abs/1910.13413.
"""

from collections.abc import Callable, Mapping
from math import factorial

import numpy as np

from agents.explaining.groups import replaced

ROWS = 2**14
"""Most observations that the policy evaluates at once."""

Preference = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Preferences (M,) for the actions chosen at steps (M,), seen as observations (M, D)."""


def coalition_values(
    preference: Preference,
    observations: np.ndarray,
    background: np.ndarray,
    groups: Mapping[str, slice],
) -> np.ndarray:
    """Computes the value of every coalition of groups.

    Args:
        preference: Of the policy, for the action that it took at each step.
        observations: (S, D).
        background: (B, D) observations of other steps.
        groups: G groups of columns.

    Returns:
        (2**G, S); bit g of the row's number is set if group g keeps its own columns.
    """
    names = list(groups)
    steps, others = len(observations), len(background)
    own = np.repeat(observations, others, 0)  # (S B, D)
    numbers = np.repeat(np.arange(steps), others)
    foreign = np.tile(background, (steps, 1))
    values = np.empty((2 ** len(names), steps))
    for coalition in range(len(values)):
        absent = {name for bit, name in enumerate(names) if not coalition >> bit & 1}
        shown = replaced(own, foreign, groups, absent)
        parts = [
            preference(shown[start : start + ROWS], numbers[start : start + ROWS])
            for start in range(0, len(shown), ROWS)
        ]
        values[coalition] = np.concatenate(parts).reshape(steps, others).mean(1)
    return values


def shapley_values(values: np.ndarray) -> np.ndarray:
    """Returns Shapley values (G, S) of coalition values (2**G, S).

    Their sum over groups is the value of all groups minus that of none.
    """
    num_groups = int(np.log2(len(values)))
    found = np.zeros((num_groups, values.shape[1]))
    for coalition in range(len(values)):
        size = coalition.bit_count()
        weight = factorial(size) * factorial(max(num_groups - size - 1, 0)) / factorial(num_groups)
        for group in range(num_groups):
            if not coalition >> group & 1:
                found[group] += weight * (values[coalition | 1 << group] - values[coalition])
    return found
