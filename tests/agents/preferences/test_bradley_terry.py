import numpy as np
import pytest

from agents.preferences import bradley_terry


@pytest.fixture
def simulated():
    """1,000 comparisons of known weights; ties are 0.5."""
    rng = np.random.default_rng(0)
    differences, weights = rng.normal(size=(1000, 3)), np.array([2.0, -1.0, 0.0])
    wins = rng.random(1000) < bradley_terry.win_probabilities(differences, weights)
    return differences, wins.astype(float), weights


def test_the_weights_of_simulated_choices_are_found(simulated):
    differences, outcomes, weights = simulated
    assert bradley_terry.fit(differences, outcomes, 1e-4) == pytest.approx(weights, abs=0.25)


def test_the_fit_is_the_minimum_of_the_penalized_loss(simulated):
    differences, outcomes, _ = simulated
    weights = bradley_terry.fit(differences, outcomes, 0.03)
    least = bradley_terry.loss(differences, outcomes, weights, 0.03)
    for shift in 0.01 * np.vstack([np.eye(3), -np.eye(3)]):  # the loss is convex
        assert bradley_terry.loss(differences, outcomes, weights + shift, 0.03) > least


def test_choices_without_exception_give_finite_weights():
    differences = np.linspace(-1, 1, 40)[:, None] * [1.0, 1e-6]
    outcomes = (differences[:, 0] > 0).astype(float)
    weights = bradley_terry.fit(differences, outcomes, 1e-4)
    assert np.isfinite(weights).all()
    assert weights[0] > 1


def test_ties_give_no_weight():
    assert bradley_terry.fit(np.ones((9, 1)), np.full(9, 0.5), 0.1) == pytest.approx([0.0])


def test_a_group_is_in_one_fold():
    groups = np.repeat(np.arange(20), 3)
    folds = bradley_terry.fold_numbers(groups)
    assert sorted(set(folds)) == [0, 1, 2, 3, 4]
    assert all(len(set(folds[groups == group])) == 1 for group in groups)


def test_of_noise_and_a_cause_the_cause_is_chosen(simulated):
    differences, outcomes, _ = simulated
    noise = np.random.default_rng(1).normal(size=(1000, 3))
    designs = [noise, differences]
    assert bradley_terry.best_penalty(designs, outcomes, np.arange(1000))[0] == 1
