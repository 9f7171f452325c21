import numpy as np
import pytest

from agents.viewing.policies import viewed_baseline
from agents.viewing.recorder import record, record_prompts, record_with_moments
from tests.agents.viewing.traces import config_for, make_agent, make_traces


def test_contributions_of_the_components_add_up_to_the_reward():
    for trace in make_traces():
        paid = sum(sum(step.contributions.values()) for step in trace.steps)
        assert paid == pytest.approx(trace.reward, abs=1e-9)
        assert trace.reward == pytest.approx(trace.transcript.scores["reward"], abs=1e-9)
        assert "".join(step.written for step in trace.steps) == trace.transcript.text


def test_a_reward_at_the_end_contributes_at_the_end():
    (trace,) = make_traces(1, dense=False)
    assert [step.reward for step in trace.steps[:-1]] == [0.0] * (len(trace.steps) - 1)
    assert sum(trace.steps[-1].contributions.values()) == pytest.approx(trace.reward)


def test_more_examples_than_rows_are_recorded_in_their_order():
    policy, env = make_agent(config_for(max_new_tokens=3), rows=2)
    traces = record(env, policy, [4, 0, 2])
    assert [trace.index for trace in traces] == [4, 0, 2]
    alone = record(env, policy, [2])[0]
    assert alone.transcript.text == traces[2].transcript.text


def test_the_moments_hold_what_the_agent_saw_and_did():
    policy, env = make_agent(config_for(max_new_tokens=3))
    ((trace, moments),) = record_with_moments(env, policy, [1])
    assert len(moments) == len(trace.steps)
    assert moments[0].observation.shape == env.single_observation_space.shape
    assert trace.steps[0].candidates[int(moments[0].action)].text == trace.steps[0].action


def test_own_prompts_are_recorded():
    policy, env = make_agent(config_for(max_new_tokens=3))
    (trace,) = record_prompts(env, policy, ["Once upon a time"])
    assert (trace.index, trace.transcript.prompt) == (-1, "Once upon a time")


def test_a_step_departs_where_the_choice_is_not_the_models_first():
    _, env = make_agent(config_for(max_new_tokens=3))
    second = viewed_baseline("second", lambda env, seen: np.ones(env.num_envs, np.int64))
    (trace,) = record(env, second, [0])
    assert all(step.departs and step.chosen == 1 for step in trace.steps)
    assert trace.kind is None
