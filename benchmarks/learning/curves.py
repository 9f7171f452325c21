"""Learning curves over seeds: interquartile means, intervals, profiles, what a threshold takes.

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
    drawn = np.concatenate(_resampled(strata, seed), axis=1)  # (R, S, ...)
    return _middle(trim_mean(drawn, 0.25, axis=1), confidence)


def profile(strata: Sequence[np.ndarray], taus: np.ndarray) -> np.ndarray:
    """Share (T,) of runs whose score is above each tau (T,); every task counts alike.

    Args:
        strata: Scores (S,) of the seeds of each task.
        taus: Scores to be above.

    Source: Agarwal et al. 2021, https://arxiv.org/abs/2108.13264 (performance profiles).
    """
    return np.mean([(scores[:, None] > taus).mean(0) for scores in strata], axis=0)


def profile_interval(
    strata: Sequence[np.ndarray], taus: np.ndarray, *, confidence: float = 0.95, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Percentile bootstrap interval of `profile` at each tau by itself: low and high ends (T,)."""
    shares = [(drawn[..., None] > taus).mean(1) for drawn in _resampled(strata, seed)]  # (R, T)
    return _middle(np.mean(shares, axis=0), confidence)


def first_reaching(at: np.ndarray, rewards: np.ndarray, threshold: float) -> float | None:
    """First of the places (E,), steps or seconds, whose reward (E,) reaches the threshold.

    None if none does.
    """
    reached = np.flatnonzero(rewards >= threshold)
    return at[reached[0]].item() if len(reached) else None


def common_steps(curves: Sequence[dict[int, float]]) -> tuple[np.ndarray, np.ndarray]:
    """Steps (E,) at which every seed was judged, and the rewards there (S, E)."""
    shared = sorted(set.intersection(*(set(curve) for curve in curves)))
    return np.array(shared), np.array([[curve[step] for step in shared] for curve in curves])


def held_over_time(
    curves: Sequence[tuple[np.ndarray, np.ndarray]],
) -> tuple[np.ndarray, np.ndarray]:
    """Seconds at which any seed was judged, and what every seed was last known to earn by then.

    A reward counts from its own evaluation until the next, and the last for ever: nobody knows what
    an agent would have earned in between. Seconds before every seed was judged once are left out.

    Args:
        curves: Of each seed, the seconds (E,) of its evaluations, rising, and the rewards (E,).

    Returns:
        Seconds (G,), rising, and rewards (S, G).
    """
    start = max(seconds[0] for seconds, _ in curves)
    grid = np.unique(np.concatenate([seconds for seconds, _ in curves]))
    grid = grid[grid >= start]
    held = [rewards[np.searchsorted(seconds, grid, "right") - 1] for seconds, rewards in curves]
    return grid, np.array(held)


def _resampled(strata: Sequence[np.ndarray], seed: int) -> list[np.ndarray]:
    """Of each stratum (S, ...) as many draws (R, S, ...) of its seeds, with replacement."""
    rng = np.random.default_rng(seed)
    return [values[rng.integers(len(values), size=(RESAMPLES, len(values)))] for values in strata]


def _middle(values: np.ndarray, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the middle of (R, ...) values."""
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
    return low, high
