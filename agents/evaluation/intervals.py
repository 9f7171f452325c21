"""Intervals and tests for means over seeds and prompts together, and for a family of them.

Knows nothing of what the values measure.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

CONFIDENCE = 0.95
LEVEL = 0.05
"""A difference is clear if its p, adjusted for the family, is below this."""


class _Spread(NamedTuple):
    """Standard error of a mean, and its degrees of freedom."""

    error: float
    freedom: float


def mean_and_interval(values: np.ndarray) -> dict[str, Any]:
    """Computes `mean` and 95 % `interval` of (S, P) values; see `mean_interval`."""
    return {"mean": float(values.mean()), "interval": mean_interval(values)}


def mean_interval(values: np.ndarray) -> tuple[float, float]:
    """Computes a 95 % t-interval of the mean of (S, P) values, S seeds on the same P prompts.

    Seeds and prompts are both drawn at random: the variance of the mean is that of the seeds' means
    over S plus that of the prompts' means over P, which counts what is left of both twice, so that
    the interval is rather too wide. Its degrees of freedom are Satterthwaite's: about S - 1 where
    the seeds differ most. It holds the mean in 92 to 99 % of simulations with 3, 5 and 10 seeds; a
    percentile bootstrap of 3 seeds, which ends at the lowest and the highest, in 75 %. With one
    seed it is the interval over prompts, which does not cover other seeds.

    Returns:
        Lower and upper bound.

    Source: Satterthwaite 1946, https://doi.org/10.2307/3002019.
    """
    mean, spread = float(values.mean()), _spread(values)
    if spread.error == 0.0:
        return mean, mean
    reach = float(_student().ppf((1 + CONFIDENCE) / 2, spread.freedom)) * spread.error
    return mean - reach, mean + reach


def clustered_mean_and_interval(values: np.ndarray, clusters: np.ndarray) -> dict[str, Any]:
    """Computes `mean` and 95 % t-`interval` of values (V,) that belong to clusters (V,).

    Values of one cluster, such as the steps of one episode, resemble each other: the standard error
    is that between the C clusters, with C - 1 degrees of freedom.

    Args:
        values: (V,).
        clusters: (V,) number of each value's cluster; two different ones or more.

    Source: Cameron and Miller 2015, https://doi.org/10.3368/jhr.50.2.317.
    """
    mean = float(values.mean())
    _, numbers = np.unique(clusters, return_inverse=True)
    totals = np.bincount(numbers, values - mean)
    count = len(totals)
    error = float(np.sqrt(count / (count - 1) * (totals**2).sum())) / len(values)
    reach = float(_student().ppf((1 + CONFIDENCE) / 2, count - 1)) * error
    return {"mean": mean, "interval": (mean - reach, mean + reach)}


def p_value(values: np.ndarray) -> float:
    """Computes the two-sided p of a mean of 0 for (S, P) values, by the test of `mean_interval`."""
    mean, spread = float(values.mean()), _spread(values)
    if spread.error == 0.0:
        return float(mean == 0.0)
    return float(2 * _student().sf(abs(mean) / spread.error, spread.freedom))


def _student() -> Any:  # noqa: ANN401 - a distribution of scipy
    """Returns Student's t; every command loads this module, and few need scipy, which takes 1 s."""
    from scipy.stats import t

    return t


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Adjusts the p values of a family of claims: one below 0.05 holds beside all the others.

    Source: Holm 1979, "A simple sequentially rejective multiple test procedure".
    """
    adjusted: dict[str, float] = {}
    highest = 0.0
    for place, name in enumerate(sorted(p_values, key=lambda name: p_values[name])):
        highest = max(highest, min(1.0, (len(p_values) - place) * p_values[name]))
        adjusted[name] = highest
    return {name: adjusted[name] for name in p_values}


def _spread(values: np.ndarray) -> _Spread:
    """Returns the standard error of the mean of (S, P) values, and its degrees of freedom."""
    groups = [means for means in (values.mean(1), values.mean(0)) if len(means) > 1]
    parts = [float(means.var(ddof=1)) / len(means) for means in groups]
    total = sum(parts)
    if total == 0.0:
        return _Spread(0.0, 1.0)
    shares = [part**2 / (len(means) - 1) for part, means in zip(parts, groups, strict=True)]
    return _Spread(total**0.5, total**2 / sum(shares))
