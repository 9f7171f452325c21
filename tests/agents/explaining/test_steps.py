import numpy as np

from agents.algorithms.factory import make_algorithm, make_training_env
from agents.explaining.steps import (
    StepArrays,
    actions_for,
    are_different,
    preference_for_taken,
    preferences_for,
)
from agents.viewing.recorder import record_with_moments
from tests.agents.explaining.agents import log_probability_run, records
from tests.agents.viewing.traces import config_for, make_agent


def test_steps_are_in_their_order_and_the_taken_action_is_preferred():
    _, recorded = records()
    steps = StepArrays.from_records(recorded)
    agent = log_probability_run().agent
    numbers = np.arange(len(steps.actions))
    assert len(numbers) == sum(len(trace.steps) for trace, _ in recorded)
    found = preferences_for(agent, steps)(steps.observations, numbers)
    assert (found.argmax(1) == steps.actions).all()
    taken = preference_for_taken(agent, steps)(steps.observations, numbers)
    assert np.allclose(taken, found.max(1))
    some = steps.select(np.array([3, 1]))
    assert some.actions.tolist() == steps.actions[[3, 1]].tolist()


def test_continuous_actions_differ_by_a_tenth_of_their_range_and_near_ones_are_preferred():
    config = config_for("lm_envs/WeightTuning-v0", passages=2, adjustments=2)
    policy, env = make_agent(config)
    agent = make_algorithm(config, make_training_env(config), None)
    steps = StepArrays.from_records(record_with_moments(env, policy, [0, 1]))
    numbers = np.arange(len(steps.actions))
    own = actions_for(agent, steps)(steps.observations, numbers)
    distance = np.abs(own - steps.actions).mean(1) / 2
    taken = preference_for_taken(agent, steps)(steps.observations, numbers)
    assert np.allclose(taken, -distance)
    assert are_different(agent, np.zeros((2, 9)), np.eye(2, 9) * [[0.19], [0.21]]).tolist() == [
        False,
        True,
    ]
