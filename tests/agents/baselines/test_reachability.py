import gymnasium as gym
import pytest

import lm_envs
from agents.baselines.reachability import reachability_report, reachable_share

gym.register_envs(lm_envs)


def share(name, **kwargs):
    arguments = {"num_envs": 16, "split": "validation", "autoreset_mode": "disabled"} | kwargs
    return reachable_share(gym.make_vec(f"lm_envs/{name}-v0", **arguments).unwrapped)


def test_the_whole_vocabulary_reaches_more_than_few_candidates():
    few = share("QuestionAnswering", mode="extractive", actions={"kind": "top_k", "k": 2})
    copied = {"kind": "top_k", "k": 2, "copies": 8}
    more = share("QuestionAnswering", mode="extractive", actions=copied)
    assert few < more
    assert 0.0 <= few < 0.5 < more <= 1.0


@pytest.mark.parametrize(
    ("name", "kwargs"),
    [
        ("NextWord", {}),
        ("Dialogue", {}),
        ("Translation", {"mode": "simultaneous", "actions": "read_write"}),
        ("Classification", {"actions": "choices"}),
        ("LiveSubtitles", {}),
    ],
)
def test_it_is_unknown_where_no_target_is_written_token_by_token(name, kwargs):
    assert share(name, **kwargs) is None


def test_few_reachable_targets_are_a_warning_with_remedies():
    assert reachability_report(0.5) == "the candidates can write the target of 50%"
    report = reachability_report(0.1)
    assert "10%. Warning" in report
    assert "copies" in report
    assert "larger k" in report
