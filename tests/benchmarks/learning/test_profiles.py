"""Rewards of different environments as scores of one scale."""

import numpy as np
import pytest

from benchmarks.learning.profiles import ruler
from benchmarks.learning.summary import summarize
from tests.benchmarks.finished_runs import finished


def test_scores_are_0_at_random_and_1_at_the_best_baseline_of_the_mean():
    lucky = {"random": 0.3, "greedy": 0.5, "sampling": 0.8}
    found = ruler([{"random": 0.1, "greedy": 0.5, "sampling": 0.4}, lucky])
    assert (found.random, found.best, found.policy) == pytest.approx((0.2, 0.6, "sampling"))
    np.testing.assert_allclose(
        found.measure(np.array([0.2, 0.6, 0.4, 0.0])), [0.0, 1.0, 0.5, -0.5], atol=1e-12
    )


def test_a_baseline_that_not_all_runs_have_does_not_count():
    found = ruler([{"random": 0.1, "greedy": 0.5}, {"random": 0.1, "greedy": 0.5, "newer": 0.9}])
    assert (found.best, found.policy) == (0.5, "greedy")


@pytest.mark.parametrize("others", [{}, {"greedy": 0.5}, {"greedy": 0.4, "sampling": 0.5}])
def test_there_is_no_scale_where_no_baseline_is_above_random(others):
    assert ruler([{"random": 0.5, **others}]) is None


def test_profiles_are_of_algorithms_over_tasks_on_one_scale():
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


def test_one_ruler_measures_all_who_are_in_one_environment():
    """The random policy has other luck with each seed; scores must not."""
    lucky = {"random": 0.3, "greedy": 0.5}
    runs = [finished([0.4]), finished([0.4], name="other", algorithm="A2C", baselines=lucky)]
    found = summarize(runs, None)["profiles"]
    assert found["rulers"]["smoke"] == {"random": 0.2, "best": 0.5, "policy": "greedy"}
    assert found["scores"]["smoke"] == found["scores"]["other"] == pytest.approx([2 / 3])


def test_a_task_whose_baselines_are_no_better_than_random_is_left_out_by_name():
    flat = {"random": 0.5, "greedy": 0.5}
    runs = [
        finished([0.4]),
        finished([0.4], name="flat", env="lm_envs/QuestionAnswering-v0", baselines=flat),
    ]
    found = summarize(runs, None)["profiles"]
    assert (found["left_out"], list(found["scores"])) == (["flat"], ["smoke"])
    assert found["algorithms"]["PPO"]["runs"] == 1
