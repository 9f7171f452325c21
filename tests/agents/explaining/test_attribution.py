import numpy as np
import pytest

from agents.explaining.attribution import attribute, important_groups, removal_check
from agents.explaining.groups import observation_groups
from agents.explaining.steps import StepArrays
from tests.agents.explaining.agents import log_probability_run, records

CAUSE = "candidates' log-probabilities"


@pytest.fixture(scope="module")
def known():
    env, recorded = records()
    return StepArrays.from_records(recorded), observation_groups(env)


def test_the_group_that_decides_gets_the_whole_attribution_and_passes_the_check(known):
    steps, groups = known
    found = attribute(log_probability_run().agent, steps, groups, 8, seed=0)
    assert found.shares[CAUSE] == pytest.approx(1.0, abs=1e-6)
    assert found.check["important"] == [CAUSE]
    assert found.check["important_changes"]["mean"] > 0.1
    assert found.check["others_changes"]["mean"] == 0.0
    assert found.check["is_true"]


def test_a_false_explanation_fails_the_check(known):
    steps, groups = known
    check = removal_check(
        log_probability_run().agent, steps, groups, ["hidden state"], np.random.default_rng(0)
    )
    assert not check["is_true"]
    assert check["difference"]["mean"] < 0


def test_at_least_one_group_is_important():
    assert important_groups({"a": 0.5, "b": 0.5}) == ["a"]
    assert important_groups({"a": 0.1, "b": 0.5, "c": 0.4}) == ["b", "c"]
