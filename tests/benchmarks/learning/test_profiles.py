"""Rewards of different environments as scores of one scale."""

import numpy as np
import pytest

from benchmarks.learning.profiles import fit_scale
from benchmarks.learning.summary import summarize
from tests.benchmarks.finished_runs import finished


def test_score_is_0_at_the_mean_of_random_and_1_at_the_best_mean_baseline():
    lucky = {"random": 0.3, "greedy": 0.5, "sampling": 0.8}
    found = fit_scale([{"random": 0.1, "greedy": 0.5, "sampling": 0.4}, lucky])
    assert (found.random, found.best, found.policy) == pytest.approx((0.2, 0.6, "sampling"))
    np.testing.assert_allclose(
        found.to_scores(np.array([0.2, 0.6, 0.4, 0.0])), [0.0, 1.0, 0.5, -0.5], atol=1e-12
    )


def test_baseline_that_is_missing_in_a_run_does_not_count():
    found = fit_scale(
        [{"random": 0.1, "greedy": 0.5}, {"random": 0.1, "greedy": 0.5, "newer": 0.9}]
    )
    assert (found.best, found.policy) == (0.5, "greedy")


@pytest.mark.parametrize("others", [{}, {"greedy": 0.5}, {"greedy": 0.4, "sampling": 0.5}])
def test_no_scale_without_a_baseline_above_random(others):
    assert fit_scale([{"random": 0.5, **others}]) is None


def test_profile_is_over_all_tasks_of_an_algorithm_on_one_scale():
    """Scores of PPO are 0 and 0.5 on one task, 1 and 2 on another whose rewards are larger."""
    large = {"random": 10.0, "greedy": 20.0}
    runs = [
        *(finished([reward], seed=seed) for seed, reward in enumerate((0.1, 0.3))),
        *(
            finished(
                [reward], name="qa", env="lm_envs/QuestionAnswering-v0", baselines=large, seed=seed
            )
            for seed, reward in enumerate((20.0, 30.0))
        ),
    ]
    found = summarize(runs, None)["profiles"]
    assert found["scores"]["smoke"] == pytest.approx([0.0, 0.5])
    assert found["scores"]["qa"] == pytest.approx([1.0, 2.0])
    one = found["algorithms"]["PPO"]
    assert (one["tasks"], one["runs"]) == (2, 4)
    shares = dict(zip(found["taus"], one["share"], strict=True))  # of taus 0.02 apart
    assert (found["taus"][0], found["taus"][-1]) == (0.0, 2.0)
    assert [shares[tau] for tau in found["taus"][12::25]] == [0.75, 0.5, 0.25, 0.25]


def test_runs_in_one_environment_share_one_scale():
    """The random policy's reward differs between seeds; equal rewards must have equal scores."""
    lucky = {"random": 0.3, "greedy": 0.5}
    runs = [finished([0.4]), finished([0.4], name="other", algorithm="A2C", baselines=lucky)]
    found = summarize(runs, None)["profiles"]
    assert found["rulers"]["smoke"] == {"random": 0.2, "best": 0.5, "policy": "greedy"}
    assert found["scores"]["smoke"] == found["scores"]["other"] == pytest.approx([2 / 3])


def test_environment_without_a_scale_is_left_out_by_name():
    flat = {"random": 0.5, "greedy": 0.5}
    runs = [
        finished([0.4]),
        finished([0.4], name="flat", env="lm_envs/QuestionAnswering-v0", baselines=flat),
    ]
    found = summarize(runs, None)["profiles"]
    assert (found["left_out"], list(found["scores"])) == (["flat"], ["smoke"])
    assert found["algorithms"]["PPO"]["runs"] == 1
