"""The cross-entropy method: an evolution strategy for a few numbers between two bounds.

Knows nothing of what the numbers mean.
"""

from collections.abc import Callable

import numpy as np

EVALUATIONS = 40
GENERATION = 10
"""Points drawn from one normal distribution."""

ELITE = 3
"""Best points of all so far, to which the next distribution is fitted."""

FIRST_SPREAD = 0.4
LEAST_SPREAD = 0.05
"""Standard deviations, in units of the half range: below the least the search would stand still."""


def maximize(
    function: Callable[[list[float]], float],
    size: int,
    *,
    evaluations: int = EVALUATIONS,
    low: float = -1.0,
    high: float = 1.0,
    seed: int = 0,
) -> list[tuple[list[float], float]]:
    """Returns the points that were tried and their values; the first is the middle.

    Each generation is drawn from a normal distribution, cut off at the bounds, whose mean and
    standard deviations are those of the `ELITE` best points so far.

    Args:
        function: Called `evaluations` times.
        size: Number of coordinates.
        evaluations: 1 or more.
        low: Lower bound of every coordinate.
        high: Upper bound of every coordinate.
        seed: Of the draws.

    Source: Rubinstein 1999, https://doi.org/10.1023/A:1010091220143.
    """
    rng = np.random.default_rng(seed)
    half = (high - low) / 2
    mean, spread = np.full(size, (low + high) / 2), np.full(size, FIRST_SPREAD * half)
    points = [mean]
    tried: list[tuple[list[float], float]] = []
    while len(tried) < evaluations:
        for point in points[: evaluations - len(tried)]:
            listed = [round(float(x), 4) for x in point]
            tried.append((listed, function(listed)))
        best = np.array([p for p, _ in sorted(tried, key=lambda each: -each[1])[:ELITE]])
        if len(best) == ELITE:
            mean, spread = best.mean(0), np.maximum(best.std(0), LEAST_SPREAD * half)
        points = [*rng.normal(mean, spread, (GENERATION, size)).clip(low, high)]
    return tried
