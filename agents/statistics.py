"""Intervals for means: percentile bootstrap over prompts, and over seeds and prompts together."""

import numpy as np

RESAMPLES = 10_000


def mean_interval(
    values: np.ndarray, *, confidence: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Bootstrap interval of the mean of (S, P) values: S seeds, P prompts.

    Seeds are drawn with replacement, and for each drawn seed its prompts: the interval covers both
    the luck of training and the choice of prompts. One seed gives the plain bootstrap.

    Source: Davison & Hinkley 1997, section 3.8 (hierarchical data).
    """
    rng = np.random.default_rng(seed)
    num_seeds, num_prompts = values.shape
    means = np.zeros(RESAMPLES)
    for _ in range(num_seeds):
        chosen = rng.integers(num_seeds, size=RESAMPLES)
        weights = rng.multinomial(num_prompts, np.full(num_prompts, 1 / num_prompts), RESAMPLES)
        means += (values[chosen] * weights).sum(1) / num_prompts  # weights: times drawn
    low, high = np.quantile(means / num_seeds, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)
