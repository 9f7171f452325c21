import numpy as np

from agents.baselines.rules.reading.payoffs import LabelPayoffs
from agents.baselines.rules.reading.stopping import (
    LINEAR,
    TREES,
    after,
    fitted_stopping,
    stacked,
    when_confident,
)

SURE, UNSURE = [0.9, 0.1], [0.5, 0.5]
EQUAL = LabelPayoffs(("a", "b"), np.eye(2), 1.0)
DEAR_B = LabelPayoffs(("a", "b"), np.array([[1.0, -8.0], [0.9, 1.0]]), 1.0)
"""Writing "b" for "a" costs nine mistakes, writing "a" for "b" a tenth of one."""


def test_a_fixed_rule_stops_after_its_readings():
    assert after(2)(np.array([UNSURE] * 3), np.arange(3)).tolist() == [False, False, True]


def test_confidence_stops_and_each_reading_asks_for_less():
    shares = np.array([SURE, UNSURE, UNSURE])
    stops = when_confident(0.8, 0.1, EQUAL)
    assert stops(shares, np.array([0, 0, 3])).tolist() == [True, False, True]


def test_confidence_is_what_the_best_label_is_expected_to_earn():
    """Of 0.3 "a" and 0.7 "b" the cheap label "a" earns 0.93: no need to know which it is."""
    shares, counts = np.array([[0.3, 0.7]]), np.zeros(1)
    assert when_confident(0.9, 0.0, DEAR_B)(shares, counts).all()
    assert not when_confident(0.95, 0.0, DEAR_B)(shares, counts).any()
    assert not when_confident(0.9, 0.0, EQUAL)(shares, counts).any()


def payoffs():
    """Two texts; the classifier is wrong about the second before its last reading."""
    first, second = np.array([SURE, SURE]), np.array([[0.6, 0.4], [0.2, 0.8], [0.1, 0.9]])
    read = [np.array([0.5, 1.0]), np.array([0.2, 0.6, 1.0])]
    return stacked([first, second], np.eye(2), read, price=0.3, labels=EQUAL)


def test_a_text_is_paid_for_the_label_of_least_expected_cost():
    """The likeliest label, "b", would have lost nine mistakes on a text that is "a"."""
    shares = [np.array([[0.3, 0.7]])] * 2
    found = stacked(shares, DEAR_B.table, [np.zeros(1)] * 2, price=0.0, labels=DEAR_B)
    np.testing.assert_allclose(found.payoffs, [[1.0], [0.9]])


def test_a_payoff_is_a_correct_label_less_the_price_of_the_words_read():
    found = payoffs()
    np.testing.assert_allclose(found.payoffs, [[0.85, 0.7, 0.0], [-0.06, 0.82, 0.7]])
    assert found.is_shown.tolist() == [[True, True, False], [True, True, True]]


def unsure_first(price, labels=EQUAL):
    """80 texts: half are clear at once, of the others only the second reading shows the label."""
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 2, 80)
    clear = np.eye(2)[targets] * 0.8 + 0.1
    start = np.where((np.arange(80) % 2 == 0)[:, None], clear, 0.5 + 0.05 * rng.random((80, 1)))
    shares = [np.stack([first, last]) for first, last in zip(start, clear, strict=True)]
    return stacked(shares, labels.table[targets], [np.array([0.5, 1.0])] * 80, price, labels)


def test_a_fitted_rule_reads_on_only_where_it_pays():
    for kind in (LINEAR, TREES):
        stops = fitted_stopping(unsure_first(0.3), kind)
        assert stops(np.array([[0.9, 0.1], [0.52, 0.48]]), np.zeros(2)).tolist() == [True, False]
        dear = fitted_stopping(unsure_first(5.0), kind)
        assert dear(np.array([[0.9, 0.1], [0.52, 0.48]]), np.zeros(2)).all()


def test_a_fitted_rule_does_not_read_on_for_a_label_that_would_not_change():
    """What the second reading shows pays where mistakes cost alike, not where "a" costs little."""
    unsure = np.array([[0.52, 0.48]])
    for kind in (LINEAR, TREES):
        assert not fitted_stopping(unsure_first(0.3), kind)(unsure, np.zeros(1)).any()
        cheap = fitted_stopping(unsure_first(0.3, DEAR_B), kind)
        assert cheap(unsure, np.zeros(1)).all()
