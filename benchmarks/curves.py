"""Learning curves over seeds: interquartile means, their intervals, steps to a threshold.

Pure functions of arrays. Knows nothing of files, runs or pictures.
"""

from collections.abc import Sequence

import numpy as np
from scipy.stats import trim_mean

RESAMPLES = 2_000


def iqm(values: np.ndarray) -> np.ndarray:
    """Mean of the middle half of the seeds (S, ...), over the first axis; of three seeds, of all.

    Source: Agarwal et al. 2021, https://arxiv.org/abs/2108.13264.
    """
    return np.asarray(trim_mean(values, 0.25, axis=0))


def stratified_interval(
    strata: Sequence[np.ndarray], *, confidence: float = 0.95, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Percentile bootstrap interval of the IQM over all seeds of all strata.

    Of two or three seeds it says no more than how far apart they lie; a claim needs more.

    Args:
        strata: One array (S, ...) a task; seeds are drawn with replacement within each.
        confidence: Share of resamples inside.
        seed: Of the draws.

    Returns:
        Low and high ends, each of the shape `...`.
    """
    rng = np.random.default_rng(seed)
    drawn = [
        values[rng.integers(len(values), size=(RESAMPLES, len(values)))]  # (R, S, ...)
        for values in strata
    ]
    means = trim_mean(np.concatenate(drawn, axis=1), 0.25, axis=1)  # (R, ...)
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
    return low, high


def steps_to(steps: np.ndarray, rewards: np.ndarray, threshold: float) -> int | None:
    """First of the steps (E,) whose reward (E,) reaches the threshold; None if none does."""
    reached = np.flatnonzero(rewards >= threshold)
    return int(steps[reached[0]]) if len(reached) else None


def common_steps(curves: Sequence[dict[int, float]]) -> tuple[np.ndarray, np.ndarray]:
    """Steps (E,) at which every seed was judged, and the rewards there (S, E)."""
    shared = sorted(set.intersection(*(set(curve) for curve in curves)))
    return np.array(shared), np.array([[curve[step] for step in shared] for curve in curves])
