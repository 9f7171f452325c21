"""Intervals for means: percentile bootstrap over prompts and seeds together.

Knows nothing of what the values measure.
"""

from typing import Any

import numpy as np

RESAMPLES = 10_000
CONFIDENCE = 0.95
SEED = 0
"""Of the resampling; fixed, so that the same values give the same interval."""


def mean_and_interval(values: np.ndarray) -> dict[str, Any]:
    """Computes `mean` and 95 % `interval` of (S, P) values; see `mean_interval`."""
    return {"mean": float(values.mean()), "interval": mean_interval(values)}


def mean_interval(values: np.ndarray) -> tuple[float, float]:
    """Computes a 95 % bootstrap interval of the mean of (S, P) values.

    Each resample draws seeds with replacement and, once for all of them, prompts, because all
    seeds complete the same prompts. The interval covers both the randomness of training and the
    choice of prompts; with one seed it is the plain bootstrap over prompts.

    Args:
        values: (S, P), S seeds on the same P prompts.

    Returns:
        Lower and upper bound.

    Source: Owen 2007, "The pigeonhole bootstrap", Annals of Applied Statistics 1(2).
    """
    rng = np.random.default_rng(SEED)
    num_seeds, num_prompts = values.shape
    seeds = rng.multinomial(num_seeds, np.full(num_seeds, 1 / num_seeds), RESAMPLES)
    prompts = rng.multinomial(num_prompts, np.full(num_prompts, 1 / num_prompts), RESAMPLES)
    means = np.einsum("rs,sp,rp->r", seeds, values, prompts, optimize=True)
    means /= num_seeds * num_prompts
    low, high = np.quantile(means, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def clustered_mean_and_interval(values: np.ndarray, clusters: np.ndarray) -> dict[str, Any]:
    """Computes `mean` and 95 % `interval` of values (V,) that belong to clusters (V,).

    Each resample draws whole clusters, because values of one cluster, such as the steps of one
    episode, resemble each other.

    Source: Cameron, Gelbach and Miller 2008, https://doi.org/10.1162/rest.90.3.414.
    """
    rng = np.random.default_rng(SEED)
    _, numbers = np.unique(clusters, return_inverse=True)
    sums, counts = np.bincount(numbers, values), np.bincount(numbers)
    drawn = rng.multinomial(len(counts), np.full(len(counts), 1 / len(counts)), RESAMPLES)
    means = (drawn @ sums) / (drawn @ counts)
    low, high = np.quantile(means, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return {"mean": float(values.mean()), "interval": (float(low), float(high))}
