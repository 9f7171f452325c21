import numpy as np

from agents.explaining.steps import StepArrays, preference_for_taken, preferences_for
from tests.agents.explaining.agents import log_probability_run, records


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
