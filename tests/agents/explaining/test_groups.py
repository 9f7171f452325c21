from itertools import pairwise

import numpy as np

from agents.explaining.groups import observation_groups, replaced
from tests.agents.explaining.agents import records


def test_the_groups_of_an_observation_are_its_named_columns():
    env, _ = records()
    groups = observation_groups(env)
    assert "hidden state" in groups
    assert "candidates' log-probabilities" in groups
    ends = sorted((part.start, part.stop) for part in groups.values())
    assert ends[0][0] == 0
    assert ends[-1][1] == env.single_observation_space.shape[0]
    assert all(left[1] == right[0] for left, right in pairwise(ends))


def test_only_the_named_groups_are_replaced():
    own, others = np.zeros((2, 4)), np.ones((2, 4))
    groups = {"a": slice(0, 1), "b": slice(1, 4)}
    assert replaced(own, others, groups, {"b"}).tolist() == [[0, 1, 1, 1]] * 2
    assert own.sum() == 0
