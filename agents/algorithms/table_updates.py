"""Updates of tables of action values from one step of N rows: Q, double Q and expected SARSA.

Owns the arithmetic, on plain arrays. Knows nothing of environments or exploration schedules.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

Update = Literal["q", "double_q", "expected_sarsa"]


def next_values(
    update: Update,
    all_values: np.ndarray,
    tables: np.ndarray,
    states: np.ndarray,
    epsilon: float,
) -> np.ndarray:
    """Computes the values (N,) of the states that a step led to.

    Args:
        update: "q" takes the best action's value; "double_q" chooses the best action by one table
            and takes its value from the other, van Hasselt 2010,
            https://papers.nips.cc/paper/3964-double-q-learning; "expected_sarsa" takes the mean
            under the exploring policy.
        all_values: (1 or 2, S, A) action values.
        tables: (N,) table that each row updates.
        states: (N,) states.
        epsilon: Exploration rate, in [0, 1].
    """
    values = all_values[tables, states]  # (N, A)
    if update == "expected_sarsa":
        return (1.0 - epsilon) * values.max(1) + epsilon * values.mean(1)
    others = all_values[len(all_values) - 1 - tables, states]  # with one table, the same one
    return np.take_along_axis(others, values.argmax(1)[:, None], 1)[:, 0]


def move_entries(
    values: np.ndarray,
    visits: np.ndarray,
    entries: np.ndarray,
    targets: np.ndarray,
    *,
    learning_rate: float,
    visit_decay: float,
) -> None:
    """Moves entries of a flat table toward targets, in place, and counts their visits.

    Rows at the same entry move it together: toward the mean of their targets, by the total rate of
    as many updates in sequence. So the result does not depend on the order of the rows.

    Args:
        values: (M,) float64 flat table.
        visits: (M,) int64 updates of each entry so far.
        entries: (N,) int64 indices into both.
        targets: (N,) float64.
        learning_rate: Rate of an entry's first update.
        visit_decay: The n-th update of an entry has rate `learning_rate / n**visit_decay`.
    """
    visited, group, counts = np.unique(entries, return_inverse=True, return_counts=True)
    order = np.argsort(group, kind="stable")
    first = np.cumsum(counts) - counts
    nth = np.arange(len(entries)) - np.repeat(first, counts) + 1 + visits[entries[order]]
    rates = learning_rate / nth**visit_decay  # in `order`
    kept = np.multiply.reduceat(1.0 - rates, first)
    means = np.bincount(group, targets) / counts
    values[visited] += (1.0 - kept) * (means - values[visited])
    visits[visited] += counts


def successors(
    observations: np.ndarray, dones: np.ndarray, infos: Sequence[Mapping[str, Any]]
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the states (N,) that a step led to before any reset, and whether they are terminal.

    Args:
        observations: (N,) states after the step, and after the resets of finished rows.
        dones: (N,) bool.
        infos: Stable-Baselines3's, with `terminal_observation` and `TimeLimit.truncated`.
    """
    states, is_terminal = observations.copy(), dones.copy()
    for row in np.flatnonzero(dones).tolist():
        states[row] = infos[row]["terminal_observation"]
        is_terminal[row] = not infos[row].get("TimeLimit.truncated", False)
    return states, is_terminal
