"""How far predictions agree with people: shares with intervals, and how many ratings they need.

Pure functions of arrays. Knows nothing of models or stores.
"""

from dataclasses import dataclass
from math import ceil, sqrt
from typing import Any

import numpy as np

QUANTILE, POWER_QUANTILE = 1.96, 0.8416
"""Of the normal distribution: for 95 % intervals, and for a power of 80 %."""

HALF_WIDTH = 0.05
CHANCE = 0.5


@dataclass(frozen=True, slots=True)
class Share:
    """A share with its 95 % interval.

    Attributes:
        mean: In [0, 1].
        interval: Lower and upper bound.
        count: Of the decided comparisons.
        design_effect: By how much dependent comparisons widen the variance, 1 or more.
    """

    mean: float
    interval: tuple[float, float]
    count: int
    design_effect: float = 1.0

    @property
    def beats_chance(self) -> bool:
        """Whether the interval is above one half."""
        return self.interval[0] > CHANCE

    @property
    def needed_for_width(self) -> int:
        """Number of comparisons for an interval of ± 5 points, at this share."""
        variance = max(self.mean * (1.0 - self.mean), 1.0 / (self.count + 4))
        return ceil(self.design_effect * variance * (QUANTILE / HALF_WIDTH) ** 2)

    @property
    def needed_for_chance(self) -> int | None:
        """Number that shows with a power of 80 % that this share is not chance; None below it."""
        if self.mean <= CHANCE:
            return None
        spread = QUANTILE * CHANCE + POWER_QUANTILE * sqrt(self.mean * (1.0 - self.mean))
        return ceil(self.design_effect * (spread / (self.mean - CHANCE)) ** 2)

    def as_dict(self) -> dict[str, Any]:
        """Returns JSON values."""
        return {"mean": self.mean, "interval": list(self.interval), "count": self.count}


def share(hits: np.ndarray, groups: np.ndarray | None = None) -> Share:
    """Returns the share of hits with Wilson's interval.

    Hits of one group, such as one prompt, may depend on each other: the number of comparisons is
    divided by Kish's design effect, the variance of the mean with groups over that without.
    Sources: Wilson 1927, https://doi.org/10.2307/2276774; Kish 1965, Survey Sampling.

    Args:
        hits: (C,) in [0, 1].
        groups: (C,); None where each is its own.
    """
    count = len(hits)
    if not count:
        return Share(0.0, (0.0, 1.0), 0)
    mean = float(hits.mean())
    effect = 1.0 if groups is None else max(1.0, _design_effect(hits, groups))
    size, square = count / effect, QUANTILE**2
    center = (mean + square / (2 * size)) / (1 + square / size)
    half = sqrt(mean * (1 - mean) / size + square / (4 * size**2)) * QUANTILE / (1 + square / size)
    return Share(mean, (max(0.0, center - half), min(1.0, center + half)), count, effect)


def _design_effect(hits: np.ndarray, groups: np.ndarray) -> float:
    residuals = hits - hits.mean()
    total = float((residuals**2).sum())
    if total == 0.0:
        return 1.0
    by_group = np.bincount(np.unique(groups, return_inverse=True)[1], residuals)
    return float((by_group**2).sum()) / total
