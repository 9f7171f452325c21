import numpy as np
import pytest

from agents.baselines.evolution import EVALUATIONS, maximize, maximize_from

OPTIMUM = np.array([0.6, -0.3, 0.1])


def quadratic(point):
    return -float(((np.array(point) - OPTIMUM) ** 2).sum())


@pytest.mark.parametrize("seed", range(5))
def test_it_finds_the_optimum_of_a_quadratic(seed):
    tried = maximize(quadratic, 3, evaluations=400, seed=seed)
    best, value = max(tried, key=lambda each: each[1])
    np.testing.assert_allclose(best, OPTIMUM, atol=0.05)
    assert value == quadratic(best)


def test_forty_evaluations_come_nearer_than_forty_random_points():
    rng = np.random.default_rng(0)
    nearer = []
    for seed in range(20):
        found = max(value for _, value in maximize(quadratic, 3, seed=seed))
        nearer.append(found > max(quadratic(p) for p in rng.uniform(-1, 1, (EVALUATIONS, 3))))
    assert np.mean(nearer) > 0.85


def test_it_calls_the_function_as_often_as_it_is_allowed():
    calls = []
    tried = maximize(lambda point: calls.append(point) or 0.0, 2, evaluations=13)
    assert len(calls) == len(tried) == 13
    assert calls[0] == [0.0, 0.0]


def test_points_stay_between_the_bounds():
    tried = maximize(lambda point: sum(point), 4, low=-0.5, high=2.0)
    points = np.array([point for point, _ in tried])
    assert points.min() >= -0.5
    assert points.max() <= 2.0
    assert points.max() > 1.5


def test_it_goes_on_from_the_best_of_the_first_points():
    starts = [[-0.9, 0.9, -0.9], [0.5, -0.2, 0.0], [0.9, 0.9, 0.9]]
    tried = maximize_from(quadratic, starts, evaluations=5)
    assert [point for point, _ in tried[:4]] == [*starts, starts[1]]
    assert len(tried) == 3 + 5
    assert all(value == quadratic(point) for point, value in tried)
