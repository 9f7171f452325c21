"""A trial in a process of its own: its reward, its errors, and how it is stopped."""

import json
import multiprocessing
import time

import pytest

from agents.runs import logs
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


def _run_until_killed(config, runs):
    run_trial(config, runs, lambda number, reward: False)


def test_the_run_of_a_killed_study_stops_and_is_continued(tmp_path):
    """Regression: it went on alone, and its repetition was another run, from the start."""
    config = small(total_timesteps=1280)
    for name in ("killed", "whole"):
        (tmp_path / name).mkdir()
    study = multiprocessing.get_context("spawn").Process(
        target=_run_until_killed, args=(config, tmp_path / "killed")
    )
    study.start()
    metrics = tmp_path / "killed" / "test-s0" / "metrics.jsonl"
    while not (metrics.is_file() and metrics.read_text()):
        assert study.is_alive()
        time.sleep(0.05)
    study.kill()
    study.join()
    before = logs.read_metrics(tmp_path / "killed" / "test-s0")[0]
    reward = run_trial(config, tmp_path / "killed", lambda number, reward: False)
    assert reward == run_trial(config, tmp_path / "whole", lambda number, reward: False)
    lines, whole = (logs.read_metrics(tmp_path / each / "test-s0") for each in ("killed", "whole"))
    assert [row["step"] for row in lines] == [row["step"] for row in whole]
    assert lines[0] == before  # its clock too: it was not begun again
