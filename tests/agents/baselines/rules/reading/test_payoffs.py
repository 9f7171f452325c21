"""Payoffs of labels on small exact tables."""

import json

import numpy as np
import pytest

from agents.baselines.rules.reading.payoffs import earned, label_payoffs, price_of_reading
from lm_envs.tasks.classification import Classification
from tests.tasks.helpers import embedded_tokenizer

TOKENIZER = embedded_tokenizer()
COSTS = {"bad": {"good": 5.0}, "mixed": {"good": 2.0}}


@pytest.fixture
def make_task(tmp_path):
    """Three texts, one of which multiplies the cost of a mistake by 4."""
    factors = {"bad": 1.0, "good": 1.0, "mixed": 4.0}
    rows = [
        {"text": f"text {label}", "label": label, "weight": factors[label], "split": "train"}
        for label in factors
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))

    def make(rewards, costs=None, **kwargs):
        return Classification(TOKENIZER, dataset=str(path), costs=costs, rewards=rewards, **kwargs)

    return make


def payoffs_of(task):
    return label_payoffs(task, [task.example(index) for index in range(task.num_examples)])


@pytest.mark.parametrize("rewards", [{"accuracy": 1.0}, {"cost": -2.0}, {"exact_match": 1.0}])
def test_without_costs_the_likeliest_label_is_taken_by_the_very_same_numbers(make_task, rewards):
    payoffs, shares = payoffs_of(make_task(rewards)), np.random.default_rng(0).random((50, 3))
    assert np.array_equal(payoffs.expected(shares), shares)
    assert np.array_equal(payoffs.best(shares), shares.argmax(1))


def test_the_label_of_least_expected_cost_is_taken(make_task):
    """Costs of 0.3 "bad", 0.5 "good", 0.2 "mixed": 0.7 for "bad", 1.9 for "good", 0.8."""
    payoffs = payoffs_of(make_task({"cost": -1.0}, COSTS))
    shares = np.array([[0.3, 0.5, 0.2], [0.0, 1.0, 0.0], [0.05, 0.15, 0.8]])
    assert [payoffs.labels[each] for each in payoffs.best(shares)] == ["bad", "good", "mixed"]
    mean = (1 + 5 + 1 + 1 + 1 + 2) / 6
    assert payoffs.unit == pytest.approx(mean)
    expected = 1.0 - np.array([0.7, 1.9, 0.8]) / mean
    np.testing.assert_allclose(payoffs.expected(shares)[0], expected)


def test_accuracy_and_cost_count_together(make_task):
    """Of 0.6 "good" and 0.4 "bad", "good" earns 6.0 - 2.0 and "bad" 4.0 - 0.6; at 0.5 less."""
    payoffs = payoffs_of(make_task({"accuracy": 10.0, "cost": -1.0}, COSTS))
    shares = np.array([[0.4, 0.6, 0.0], [0.45, 0.55, 0.0], [0.5, 0.5, 0.0]])
    earns = 10.0 * shares[:, :2] - np.stack([shares[:, 1], 5.0 * shares[:, 0]], axis=1)
    assert payoffs.best(shares).tolist() == earns.argmax(1).tolist() == [1, 0, 0]


def test_a_text_is_paid_by_its_own_factor_and_labels_are_chosen_by_the_mean_one(make_task):
    task = make_task({"cost": -1.0}, columns={"cost": "weight"})
    payoffs = payoffs_of(task)
    assert payoffs.unit == pytest.approx(2.0)
    np.testing.assert_allclose(payoffs.table, np.eye(3), atol=1e-12)
    found = earned(task, [task.example(2), task.example(0)], payoffs)
    np.testing.assert_allclose(found, [[-1.0, -1.0, 1.0], [1.0, 0.5, 0.5]])


def test_the_price_of_reading_is_in_mean_mistakes(make_task):
    weights = {"accuracy": 1.0, "read": -0.3}
    task = make_task(weights, mode="sequential")
    assert price_of_reading(weights, payoffs_of(task)) == pytest.approx(0.3)
    weights = {"cost": -2.0, "read": -0.3}
    task = make_task(weights, mode="sequential")
    assert price_of_reading(weights, payoffs_of(task)) == pytest.approx(0.15)
    task = make_task({"cost": -1.0, "read": -0.3}, COSTS, mode="sequential")
    assert price_of_reading(task.reward.weights, payoffs_of(task)) == pytest.approx(0.3 / (11 / 6))
    task = make_task({"read": -0.3}, mode="sequential")
    assert price_of_reading(task.reward.weights, payoffs_of(task)) == 0.0
