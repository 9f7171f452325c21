import numpy as np
import pytest

from agents.explaining.shapley import coalition_values, shapley_values

GROUPS = {"a": slice(0, 1), "b": slice(1, 3), "c": slice(3, 4)}


def values_for(preference, steps=5, others=7):
    rng = np.random.default_rng(0)
    own, background = rng.normal(size=(steps, 4)), rng.normal(size=(others, 4))
    values = coalition_values(lambda seen, numbers: preference(seen), own, background, GROUPS)
    return own, background, values


def test_of_a_sum_each_group_gets_its_own_terms():
    weights = np.array([1.0, -2.0, 0.5, 0.0])
    own, background, values = values_for(lambda seen: seen @ weights)
    differences = (own - background.mean(0)) * weights
    expected = [differences[:, part].sum(1) for part in GROUPS.values()]
    assert shapley_values(values) == pytest.approx(np.array(expected))


def test_values_add_up_to_what_all_groups_change():
    _, _, values = values_for(lambda seen: np.tanh(seen[:, 0] * seen[:, 2]) + seen[:, 3] ** 2)
    assert shapley_values(values).sum(0) == pytest.approx(values[-1] - values[0])


def test_two_groups_that_only_work_together_share_evenly():
    values = np.array([[0.0], [0.0], [0.0], [1.0]])
    assert shapley_values(values).ravel() == pytest.approx([0.5, 0.5])
