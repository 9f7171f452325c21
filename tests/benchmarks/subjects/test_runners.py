"""Steps per second by number of runners; needs Ray, which has an environment of its own."""

import sys

import pytest

from benchmarks.subjects import runners
from tests.agents.train_rllib.rllib_run import REASON


def test_a_missing_ray_is_refused_before_anything_is_measured(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "ray.rllib", raising=False)
    with pytest.raises(ModuleNotFoundError, match=r"lm_envs\[agents,ray\]"):
        runners.measure("embedded", [1], 2, "float32", 1)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_steps_weights_and_samples_of_runners_are_measured():
    pytest.importorskip("ray.rllib", reason=REASON)
    one, two = runners.measure("embedded", [1, 2], 2, "float32", 1)
    for row, count in ((one, 1), (two, 2)):
        assert row["steps_per_s"] == pytest.approx(count * row["steps_per_runner"])
        assert row["learner_steps_per_s"] > 0
        assert row["weight_kb"] > 10
    assert one["of_first"] == 1.0
    observation = 305 * 4  # float32 columns
    assert observation < one["bytes_per_step"] < 2 * observation
