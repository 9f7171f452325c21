"""Principal axes of points. Knows nothing of what the points are."""

import numpy as np


def principal_axes(centered: np.ndarray, dim: int) -> tuple[np.ndarray, np.ndarray]:
    """Directions in which points vary most, by the eigenvectors of their covariance.

    Args:
        centered: (S, D) points less their mean.
        dim: d, number of axes.

    Returns:
        Variances (D,) float64 along all axes, largest first, and the first d axes (D, d) float64:
        orthonormal columns, each with a sum that is not negative.
    """
    covariance = (centered.T @ centered / len(centered)).astype(np.float64)
    variances, axes = np.linalg.eigh(covariance)  # ascending
    axes = axes[:, ::-1][:, :dim]
    # An eigenvector has no sign of its own; a fixed one keeps results the same on every machine.
    return variances[::-1], axes * np.where(axes.sum(0) < 0, -1.0, 1.0)
