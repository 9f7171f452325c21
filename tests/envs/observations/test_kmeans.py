"""k-means on points whose clusters are known."""

import numpy as np
import pytest

from lm_envs.envs.observations.kmeans import k_means, nearest


def test_k_means_finds_separate_clouds():
    rng = np.random.default_rng(0)
    truth = rng.integers(4, size=400)
    points = 10.0 * np.eye(4)[truth] + rng.normal(size=(400, 4))
    labels = nearest(points, k_means(points, 4, rng))
    assert len(set(zip(truth.tolist(), labels.tolist(), strict=True))) == 4


def test_the_nearest_center_is_exact_and_the_first_of_equals():
    centers = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 0.0]])
    points = np.array([[0.1, 0.0], [1.9, 0.3], [1.0, 0.0]])
    assert nearest(points, centers).tolist() == [0, 1, 0]


def test_the_same_seed_gives_the_same_centers():
    points = np.random.default_rng(0).normal(size=(50, 3))
    first, second = (k_means(points, 5, np.random.default_rng(1)) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_more_clusters_than_distinct_points_are_refused():
    with pytest.raises(ValueError, match="num_clusters=3 for 2 distinct states; allowed: 1 to 2"):
        k_means(np.array([[0.0], [0.0], [1.0]]), 3, np.random.default_rng(0))
