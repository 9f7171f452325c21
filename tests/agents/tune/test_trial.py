"""A trial in a process of its own: its reward, its errors, and how it is stopped."""

import json
import multiprocessing

import pytest

from agents.tune.trial import TrialFailedError, run_trial
from tests.agents.tune.small_study import small


def test_a_stopped_trial_leaves_its_checkpoint(tmp_path):
    seen = []

    def is_hopeless(number, reward):
        seen.append(number)
        return True

    config = small(total_timesteps=6400)
    assert run_trial(config, tmp_path, is_hopeless) is None
    rows = (tmp_path / "test-s0" / "metrics.jsonl").read_text().splitlines()
    assert seen == [1]
    assert json.loads(rows[-1])["step"] < 6400
    assert (tmp_path / "test-s0" / "checkpoint.pt").is_file()


def test_a_failed_trial_gives_one_line_and_a_log(tmp_path):
    env = small().env.model_copy(update={"kwargs": {"max_new_tokens": 0}})
    with pytest.raises(TrialFailedError, match=r"Error: Got max_new_tokens=0; allowed") as error:
        run_trial(small(env=env), tmp_path, lambda number, reward: False)
    assert "\n" not in str(error.value)
    assert "Traceback" in (tmp_path / "test.log").read_text()


def test_a_killed_process_fails_its_trial_only(tmp_path):
    before = set(multiprocessing.active_children())  # of other tests

    def kill(number, reward):
        (process,) = set(multiprocessing.active_children()) - before
        process.kill()
        return False

    with pytest.raises(TrialFailedError, match=r"killed by SIGKILL; .* too little memory"):
        run_trial(small(total_timesteps=6400), tmp_path, kill)
