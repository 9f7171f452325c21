"""Rules for when to stop reading and write the label of least expected cost.

Each is a function from the probabilities of the labels to a decision. Knows no environment.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from agents.baselines.rules.reading.payoffs import LabelPayoffs

ShouldStop = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Returns whether to stop, (R,) bool, for probabilities (R, L) and readings (R,) so far."""

ROUNDS = 4
"""Improvements of the policy that the regression is fitted to; later ones changed it little."""

FIRST_LEAST = 0.7
"""Expected payoff of a label at which the first of these policies stops."""

LINEAR, TREES = "linear", "trees"
SEED, NUM_TREES, LEAST_LEAF = 0, 200, 20


def after(readings: float) -> ShouldStop:
    """Returns the rule that stops after a number of readings, whatever the text is."""
    return lambda shares, counts: counts >= readings


def when_confident(least: float, fall: float, payoffs: LabelPayoffs) -> ShouldStop:
    """Returns the rule that stops when the best label is expected to earn enough.

    Args:
        least: Lowest expected payoff that it stops at before any reading; without costs that is the
            probability of the likeliest label.
        fall: How much lower it is after each reading.
        payoffs: Of the labels.
    """
    return lambda shares, counts: payoffs.expected(shares).max(1) >= least - fall * counts


@dataclass(frozen=True, slots=True)
class Readings:
    """Texts with what a classifier believes after each reading; T readings at most.

    Attributes:
        shares: (E, T, L) probabilities of the labels; 0 after the last reading.
        is_shown: (E, T) bool, whether a text has so many readings.
        payoffs: (E, T) payoff for stopping there with the label of least expected cost.
        labels: What labels earn.
    """

    shares: np.ndarray
    is_shown: np.ndarray
    payoffs: np.ndarray
    labels: LabelPayoffs


def stacked(
    shares: Sequence[np.ndarray],
    earned: Sequence[np.ndarray],
    read: Sequence[np.ndarray],
    price: float,
    labels: LabelPayoffs,
) -> Readings:
    """Returns the readings of E texts in arrays.

    Args:
        shares: Probabilities (T_i, L) of the labels after each reading of text i.
        earned: What writing each label (L,) earns on text i.
        read: Share of the words (T_i,) that is shown after each reading.
        price: Payoff that is lost for a text that is read whole.
        labels: What labels earn on average, by which one is chosen.
    """
    size = max(map(len, shares))
    found = Readings(
        np.zeros((len(shares), size, shares[0].shape[1])),
        np.zeros((len(shares), size), bool),
        np.zeros((len(shares), size)),
        labels,
    )
    for row, (each, share) in enumerate(zip(shares, read, strict=True)):
        found.shares[row, : len(each)] = each
        found.is_shown[row, : len(each)] = True
        found.payoffs[row, : len(each)] = earned[row][labels.best(each)] - price * share
    return found


def fitted_stopping(readings: Readings, kind: str) -> ShouldStop:
    """Returns the rule that stops when reading on is not expected to gain anything.

    What a policy gains by reading on, beyond stopping now, is regressed on the probabilities of the
    labels; the policy then stops where the regression is not positive, and so on for some rounds.

    Args:
        readings: Of texts that the classifier did not learn from.
        kind: "linear" for a ridge regression, or "trees" for randomized trees.

    Source: Longstaff and Schwartz 2001, https://doi.org/10.1093/rfs/14.1.113, with one regression
    for all times.
    """
    model = _regression(kind)
    counts = np.broadcast_to(np.arange(readings.is_shown.shape[1]), readings.is_shown.shape)
    shares, labels = readings.shares, readings.labels
    columns = _columns(shares.reshape(-1, shares.shape[2]), counts.reshape(-1), labels)
    has_more = np.zeros_like(readings.is_shown)
    has_more[:, :-1] = readings.is_shown[:, 1:]
    stops = labels.expected(shares).max(2) >= FIRST_LEAST
    for _ in range(ROUNDS):
        gains = _values_of_reading_on(readings, stops, has_more) - readings.payoffs
        model.fit(columns[has_more.reshape(-1)], gains[has_more])
        stops = (model.predict(columns) <= 0.0).reshape(stops.shape)
    return lambda shares, counts: model.predict(_columns(shares, counts, labels)) <= 0.0


def _values_of_reading_on(
    readings: Readings, stops: np.ndarray, has_more: np.ndarray
) -> np.ndarray:
    """Returns what a policy is paid if it reads on once more, (E, T); 0 where it cannot."""
    values, later = np.zeros_like(readings.payoffs), np.zeros(len(stops))
    for time in reversed(range(stops.shape[1])):
        values[:, time] = later
        ends = stops[:, time] | ~has_more[:, time]
        later = np.where(ends, readings.payoffs[:, time], later)
    return values


def _columns(shares: np.ndarray, counts: np.ndarray, labels: LabelPayoffs) -> np.ndarray:
    """Returns what the regression sees of probabilities (R, L) after readings (R,): (R, L + 8)."""
    best = -np.sort(-labels.expected(shares), axis=1)[:, :3]
    entropy = -(shares * np.log(shares + 1e-9)).sum(1)
    more = [entropy, counts, best[:, 0] ** 2, best[:, 0] * counts, best[:, 0] - best[:, 1]]
    return np.concatenate([shares, best, np.stack(more, axis=1)], axis=1)


def _regression(kind: str) -> Any:  # noqa: ANN401 - an estimator of scikit-learn
    from sklearn.ensemble import ExtraTreesRegressor
    from sklearn.linear_model import Ridge

    if kind == LINEAR:
        return Ridge(alpha=1.0)
    return ExtraTreesRegressor(NUM_TREES, min_samples_leaf=LEAST_LEAF, random_state=SEED)
