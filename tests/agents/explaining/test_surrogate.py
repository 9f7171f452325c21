from dataclasses import replace

import pytest

from agents.explaining.surrogate import fit_tree
from tests.agents.explaining.agents import records

pytest.importorskip("sklearn")


def departing_if_unsure(trace):
    """Returns the trace of an agent that departs where the model's first choice is below 30 %."""
    steps = [
        replace(step, chosen=0 if step.candidates[0].model_logprob > -1.2 else 1)
        for step in trace.steps
    ]
    return replace(trace, steps=tuple(steps))


def test_a_tree_finds_a_simple_rule_and_states_its_held_out_fidelity():
    traces = [departing_if_unsure(trace) for trace, _ in records()[1]] * 2
    tree = fit_tree(traces)
    assert tree["fidelity"] > max(0.9, tree["baseline"])
    assert "probability of the model's first choice" in tree["rules"]
    assert tree["steps"] == sum(len(trace.steps) for trace in traces[len(traces) // 2 :])


def test_there_is_no_tree_for_an_agent_that_always_departs():
    traces = [
        replace(trace, steps=tuple(replace(step, chosen=1) for step in trace.steps))
        for trace, _ in records()[1]
    ]
    assert fit_tree(traces) is None
