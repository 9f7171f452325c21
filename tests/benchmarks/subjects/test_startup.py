from itertools import pairwise

import pytest

from benchmarks.subjects import startup

STAGES = [startup.STAGES[name] for name in ("import lm_envs", "make", "make and first step")]


@pytest.mark.parametrize("code", startup.STAGES.values())
def test_code_of_each_stage_runs(code):
    exec(code, {})


def test_each_stage_does_more_than_the_one_before():
    for before, after in pairwise(STAGES):
        assert len(after) > len(before)
        assert "lm_envs" in after


@pytest.mark.slow
def test_each_stage_takes_longer_than_the_one_before():
    seconds = {row["what"]: row["seconds"] for row in startup.run(repeats=3)["rows"]}
    assert seconds["python alone"] < seconds["import lm_envs"] < seconds["make and first step"]
