import time
from types import SimpleNamespace

import pytest

from benchmarks.competitors.finetune_job import NEW, FinetuneJob, environment_prompts
from benchmarks.competitors.trl_grpo import StepClock, trl_grpo
from lm_envs.model import loading


def test_clock_measures_each_step_and_not_the_time_between():
    clock, trainer = StepClock(), SimpleNamespace()
    for _ in range(2):
        clock.on_step_begin(trainer)
        time.sleep(0.01)
        clock.on_step_end(trainer)
        time.sleep(0.1)
    assert len(clock.step_s) == 2
    assert all(0.01 <= seconds < 0.1 for seconds in clock.step_s)


def test_grpo_generates_and_learns_from_all_tokens():
    pytest.importorskip("trl")
    folder = loading.locate("embedded")
    result = trl_grpo(FinetuneJob(folder, environment_prompts(folder, 2), "float32", repeats=1))
    assert (result.num_generated, result.num_learned) == (2 * NEW, 2 * NEW)
    assert result.rollout_s == []
    assert len(result.update_s) == 1
