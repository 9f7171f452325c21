"""A (1+1) evolution strategy for a few numbers between two bounds.

Knows nothing of what the numbers mean.
"""

from collections.abc import Callable, Sequence

import numpy as np

EVALUATIONS = 40
FIRST_STEP = 0.3
"""Standard deviation of the first step, in units of the half range."""

GROWTH, SHRINKAGE = 1.5, 1.5**-0.25
"""Factors of the step after a success and after a failure: it stays as long as a fifth succeed."""

SPREADS = (0.05, 0.15)
"""Standard deviations of what is drawn around a point, in turn."""


def drawn_around(point: Sequence[float], count: int) -> list[list[float]]:
    """Returns points near one that an evolution found, the same ones at every call.

    Args:
        point: Its coordinates.
        count: Number of points that are drawn.
    """
    rng = np.random.default_rng(0)
    drawn = [
        np.array(point) + SPREADS[number % len(SPREADS)] * rng.normal(size=len(point))
        for number in range(count)
    ]
    return [each.round(3).tolist() for each in drawn]


def maximize(
    function: Callable[[list[float]], float],
    size: int,
    *,
    evaluations: int = EVALUATIONS,
    start: Sequence[float] | None = None,
    low: float = -1.0,
    high: float = 1.0,
    seed: int = 0,
) -> list[tuple[list[float], float]]:
    """Returns the points that were tried and their values, the first one included.

    Each point is the best one so far plus normal noise, whose size follows the 1/5 success rule.
    With 40 evaluations of quadratics in 3 and 9 numbers it came nearer to the optimum than the
    cross-entropy method with generations of 10.

    Args:
        function: Called `evaluations` times.
        size: Number of coordinates.
        evaluations: 1 or more.
        start: The first point; None for the middle.
        low: Lower bound of every coordinate.
        high: Upper bound of every coordinate.
        seed: Of the draws.

    Source: Kern et al. 2004, https://doi.org/10.1023/B:NACO.0000023416.59689.4e.
    """
    rng = np.random.default_rng(seed)
    step = FIRST_STEP * (high - low) / 2
    parent = np.full(size, (low + high) / 2) if start is None else np.array(start, np.float64)
    tried = [(_rounded(parent), function(_rounded(parent)))]
    best = tried[0][1]
    for _ in range(evaluations - 1):
        child = (parent + step * rng.normal(size=size)).clip(low, high)
        value = function(_rounded(child))
        tried.append((_rounded(child), value))
        if value >= best:
            parent, best = child, value
        step *= GROWTH if value >= best else SHRINKAGE
    return tried


def maximize_from(
    function: Callable[[list[float]], float], starts: Sequence[list[float]], *, evaluations: int
) -> list[tuple[list[float], float]]:
    """Tries some points, then maximizes from the best of them; returns as `maximize` does.

    Args:
        function: Called for each of `starts`, and `evaluations` times more.
        starts: One point or more, each coordinate in [-1, 1].
        evaluations: 1 or more.
    """
    tried = [(start, function(start)) for start in starts]
    best = max(tried, key=lambda trial: trial[1])[0]
    return [*tried, *maximize(function, len(best), evaluations=evaluations, start=best)]


def _rounded(point: np.ndarray) -> list[float]:
    """Returns a point that JSON holds exactly as it was tried."""
    return [round(float(x), 4) for x in point]
