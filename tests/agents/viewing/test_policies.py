import numpy as np
import pytest

from agents.viewing.recorder import record
from tests.agents.viewing.traces import config_for, make_agent

KINDS = {
    "PPO": "probability",
    "A2C": "probability",
    "TRPO": "probability",
    "MaskablePPO": "probability",
    "RecurrentPPO": "probability",
    "DQN": "value",
    "QRDQN": "value",
    "ARS": "score",
}


@pytest.mark.parametrize(("name", "kind"), KINDS.items())
def test_every_algorithm_takes_what_it_prefers_most(name, kind):
    policy, env = make_agent(config_for(algorithm=name, max_new_tokens=3))
    assert policy.kind == kind
    for trace in record(env, policy, [0, 1]):
        for step in trace.steps:
            preferences = [each.preference for each in step.candidates]
            assert preferences[step.chosen] == max(preferences)
            assert kind != "probability" or np.sum(preferences) == pytest.approx(1.0, abs=1e-5)


def test_a_candidate_policy_shows_values_and_untrained_agrees_with_the_model():
    policy, env = make_agent(
        config_for(policy="CandidatePolicy", observation="candidates", max_new_tokens=3)
    )
    (trace,) = record(env, policy, [0])
    assert not any(step.departs for step in trace.steps)
    assert all(step.value is not None for step in trace.steps)


def test_continuous_actions_have_no_preferences_but_a_token():
    policy, env = make_agent(config_for(algorithm="SAC", actions="embedding", max_new_tokens=3))
    (trace,) = record(env, policy, [0])
    assert policy.kind is None
    step = trace.steps[0]
    assert step.candidates[step.chosen].text == step.action
