"""k-means clustering. Pure functions of arrays; knows nothing of environments or files."""

import numpy as np

MAX_ROUNDS = 100
"""Most iterations of Lloyd's algorithm."""

_CHUNK = 2**24
"""Most distances in memory at once: 128 MiB of float64."""


def k_means(points: np.ndarray, num_clusters: int, rng: np.random.Generator) -> np.ndarray:
    """Returns the centers (k, d) of points (S, d): Lloyd's algorithm from k-means++ seeds.

    Source: Arthur and Vassilvitskii 2007, https://dl.acm.org/doi/10.5555/1283383.1283494.

    Raises:
        ValueError: If there are fewer distinct points than clusters.
    """
    centers = _seeds(points, num_clusters, rng)
    labels = nearest(points, centers)
    for _ in range(MAX_ROUNDS):
        centers = _means(points, labels, centers)
        moved = nearest(points, centers)
        if (moved == labels).all():
            break
        labels = moved
    return centers


def nearest(points: np.ndarray, centers: np.ndarray) -> np.ndarray:
    """Returns the index (N,) int64 of the center (k, d) nearest to each point (N, d).

    The first of equally near centers is chosen.
    """
    squares = (centers**2).sum(1)
    parts = np.array_split(points, max(1, -(-len(points) * len(centers) // _CHUNK)))
    # |p - c|^2 without |p|^2, which all centers share
    return np.concatenate([(squares - 2.0 * part @ centers.T).argmin(1) for part in parts])


def _seeds(points: np.ndarray, num_clusters: int, rng: np.random.Generator) -> np.ndarray:
    """Returns points (k, d), each drawn in proportion to its squared distance to those before.

    Raises:
        ValueError: If there are fewer distinct points than clusters.
    """
    chosen = [int(rng.integers(len(points)))]
    gaps = np.full(len(points), np.inf)
    for count in range(1, num_clusters):
        gaps = np.minimum(gaps, ((points - points[chosen[-1]]) ** 2).sum(1))
        if not gaps.any():
            raise ValueError(
                f"Got num_clusters={num_clusters} for {count} distinct states; allowed: 1 to "
                f"{count}. Sample more states, or lower num_clusters."
            )
        chosen.append(int(rng.choice(len(points), p=gaps / gaps.sum())))
    return points[chosen]


def _means(points: np.ndarray, labels: np.ndarray, centers: np.ndarray) -> np.ndarray:
    """Returns the mean of each cluster's points (k, d); a center without points stays as it is."""
    counts = np.bincount(labels, minlength=len(centers))
    sums = np.zeros_like(centers)
    np.add.at(sums, labels, points)
    return np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], centers)
