import numpy as np

from lm_envs.pca import principal_axes


def make_points():
    """Centered points (500, 4) with deviations 3, 2, 1 and 0 along rotated axes."""
    rng = np.random.default_rng(0)
    rotation = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    points = rng.normal(size=(500, 4)) * [2.0, 0.0, 3.0, 1.0] @ rotation
    return points - points.mean(0)


def test_axes_are_orthonormal_and_ordered_by_variance():
    points = make_points()
    variances, axes = principal_axes(points, 3)
    np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=1e-12)
    assert (np.diff(variances) <= 0).all()
    np.testing.assert_allclose((points @ axes).var(0), variances[:3])
    np.testing.assert_allclose(variances, [9, 4, 1, 0], rtol=0.2, atol=1e-12)


def test_axes_keep_their_sign_when_points_are_mirrored():
    points = make_points()
    _, axes = principal_axes(points, 2)
    _, mirrored = principal_axes(-points, 2)
    np.testing.assert_allclose(axes, mirrored)
    assert (axes.sum(0) >= 0).all()
