"""Intervals for means: percentile bootstrap over prompts and seeds together."""

import numpy as np

RESAMPLES = 10_000


def mean_interval(
    values: np.ndarray, *, confidence: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Bootstrap interval of the mean of (S, P) values: S seeds, the same P prompts for each.

    Each resample draws seeds with replacement and, once for all of them, prompts: the luck of a
    prompt is shared by the seeds that wrote it. The interval covers both the luck of training and
    the choice of prompts; one seed gives the plain bootstrap.

    Source: Owen 2007, "The pigeonhole bootstrap", Annals of Applied Statistics 1(2).
    """
    rng = np.random.default_rng(seed)
    num_seeds, num_prompts = values.shape
    seeds = rng.multinomial(num_seeds, np.full(num_seeds, 1 / num_seeds), RESAMPLES)
    prompts = rng.multinomial(num_prompts, np.full(num_prompts, 1 / num_prompts), RESAMPLES)
    means = np.einsum("rs,sp,rp->r", seeds, values, prompts, optimize=True)
    means /= num_seeds * num_prompts
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)
