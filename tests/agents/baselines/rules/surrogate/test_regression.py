import numpy as np
import pytest

from agents.baselines.rules.surrogate.regression import Measured, learned_prior

WEIGHTS = np.array([[1.0, -2.0, 0.0], [0.5, 0.0, 0.0]])
COVARIANCE = np.array([[0.5, 0.45, 0.0], [0.45, 0.5, 0.0], [0.0, 0.0, 0.02]])
NOISE = 0.01


def drawn_groups(count, size, seed):
    """Returns groups, and the coefficients that they were drawn with."""
    rng = np.random.default_rng(seed)
    covariates = np.stack([np.ones(count), rng.normal(size=count)], 1)
    means = covariates @ WEIGHTS
    coefficients = means + rng.multivariate_normal(np.zeros(3), COVARIANCE, count)
    groups = []
    for covariate, own in zip(covariates, coefficients, strict=True):
        features = rng.normal(size=(size, 3))
        values = features @ own + rng.normal(scale=NOISE**0.5, size=size)
        groups.append(Measured(features, values, covariate))
    return groups, coefficients


@pytest.fixture(scope="module")
def prior():
    return learned_prior(drawn_groups(400, 6, 0)[0])


def test_the_prior_is_the_one_that_groups_were_drawn_from(prior):
    assert prior.weights == pytest.approx(WEIGHTS, abs=0.1)
    assert prior.covariance == pytest.approx(COVARIANCE, abs=0.08)
    assert prior.noise == pytest.approx(NOISE, rel=0.15)


def test_without_measurements_the_mean_is_that_of_the_covariates(prior):
    group = Measured(np.zeros((0, 3)), np.zeros(0), np.array([1.0, 2.0]))
    found = prior.given(group)
    assert found.mean == pytest.approx(np.array([1.0, 2.0]) @ prior.weights)
    assert (found.covariance == prior.covariance).all()


def test_one_measurement_tells_of_what_was_not_measured(prior):
    groups, coefficients = drawn_groups(300, 1, 1)
    first = np.eye(1, 3)
    second = np.array([[0.0, 1.0, 0.0]])
    before, after = [], []
    for group, own in zip(groups, coefficients, strict=True):
        nothing = Measured(np.zeros((0, 3)), np.zeros(0), group.covariates)
        measured = Measured(first, first @ own, group.covariates)
        before.append(prior.given(nothing).predict(second)[0] - own[1])
        after.append(prior.given(measured).predict(second)[0] - own[1])
    assert np.std(after) < 0.6 * np.std(before)


def test_deviations_cover_the_coefficients(prior):
    groups, coefficients = drawn_groups(400, 2, 2)
    found = [prior.given(group) for group in groups]
    errors = np.array(
        [each.predict(np.eye(3))[0] - own for each, own in zip(found, coefficients, strict=True)]
    )
    deviations = np.array([each.predict(np.eye(3))[1] for each in found])
    assert np.mean(np.abs(errors) < 1.96 * deviations) == pytest.approx(0.95, abs=0.02)


def test_shrinkage_leaves_variances_and_makes_covariances_smaller():
    groups, _ = drawn_groups(60, 6, 3)
    free, halfway, alone = (learned_prior(groups, shrinkage) for shrinkage in (0.0, 0.5, 1.0))
    assert free.covariance[0, 1] > halfway.covariance[0, 1] > 0.0
    assert alone.covariance[0, 1] == 0.0
    assert np.diag(alone.covariance) == pytest.approx(np.diag(free.covariance), rel=0.1)


def test_lower_values_are_left_out():
    group = Measured(np.eye(3), np.array([-1.0, 0.5, -0.2]), np.ones(1))
    kept = group.over(-0.2)
    assert kept.values.tolist() == [0.5, -0.2]
    assert (kept.features == np.eye(3)[1:]).all()
