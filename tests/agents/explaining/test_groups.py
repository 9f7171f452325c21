from itertools import pairwise

import gymnasium as gym
import numpy as np
import pytest

import lm_envs
from agents.explaining.groups import observation_groups, replaced
from tests.agents.explaining.agents import records

gym.register_envs(lm_envs)


def test_the_groups_of_an_observation_are_its_named_columns():
    env, _ = records()
    groups = observation_groups(env)
    assert "hidden state" in groups
    assert "candidates' log-probabilities" in groups
    ends = sorted((part.start, part.stop) for part in groups.values())
    assert ends[0][0] == 0
    assert ends[-1][1] == env.single_observation_space.shape[0]
    assert all(left[1] == right[0] for left, right in pairwise(ends))


@pytest.mark.parametrize(
    ("env_id", "arguments", "names"),
    [
        ("WeightTuning", {}, ["settings", "loss of the unchanged model", "fall of the loss"]),
        ("TrainingControl", {}, ["fall of the loss", "fall of the training loss"]),
        ("StructureSearch", {"probes": False}, ["parts that are left", "fall of the loss"]),
        (
            "StructureSearch",
            {"probes": True},
            ["what each part alone gains", "parts that are left"],
        ),
    ],
)
def test_the_groups_of_a_tuned_model_cover_its_observation_in_order(env_id, arguments, names):
    env = gym.make_vec(f"lm_envs/{env_id}-v0", num_envs=1, passages=2, **arguments).unwrapped
    groups = observation_groups(env)
    assert list(groups)[: len(names)] == names
    assert list(groups)[-1] == "budget left"
    ends = [0, *(part.stop for part in groups.values())]
    assert [part.start for part in groups.values()] == ends[:-1]
    assert ends[-1] == env.single_observation_space.shape[0]


def test_only_the_named_groups_are_replaced():
    own, others = np.zeros((2, 4)), np.ones((2, 4))
    groups = {"a": slice(0, 1), "b": slice(1, 4)}
    assert replaced(own, others, groups, {"b"}).tolist() == [[0, 1, 1, 1]] * 2
    assert own.sum() == 0
