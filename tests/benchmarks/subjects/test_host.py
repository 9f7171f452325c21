import numpy as np
import pytest

from benchmarks.harness import episodes
from benchmarks.harness.call_count import count_calls
from benchmarks.subjects import host

MOST_CALLS_PER_ROW = 3
"""`is_turn_over` of each row, and what rows that end need; a loop that calls once more is over."""


def test_step_of_many_rows_takes_few_python_calls(monkeypatch):
    monkeypatch.setattr(host, "STEPS", 12)  # outputs that are recorded: as many as are replayed
    env = host.make_env("lm_envs/NextWord-v0", "embedded", 256)
    rng, ended, calls = np.random.default_rng(0), 0, []
    for _ in range(12):
        actions = rng.integers(0, 16, 256)
        results = []
        calls.append(
            count_calls(lambda chosen=actions, found=results: found.append(env.step(chosen)))
        )
        ended += int((results[0][2] | results[0][3]).sum())
    assert ended > 60, "too few rows ended: their work is not counted"
    assert np.mean([each.num_calls for each in calls]) / 256 < MOST_CALLS_PER_ROW


@pytest.fixture
def _few_steps(monkeypatch):
    """A short warm-up, where no number of calls and no time is asserted."""
    monkeypatch.setattr(episodes, "WARM_UP_STEPS", 4)


@pytest.mark.usefixtures("_few_steps")
def test_time_is_reported_of_the_batch_and_of_its_sb3_adapter():
    result = host.run(rows=(4,), repeats=1)
    batch, adapter = result["rows"]
    assert (batch["what"], batch["n"]) == ("lm_envs/NextWord-v0", 4)
    assert "Stable-Baselines3" in adapter["what"]
    assert 0 < batch["us_per_row"] < batch["ms_per_step"] * 1e3


@pytest.mark.usefixtures("_few_steps")
def test_environments_that_score_lines_are_refused():
    with pytest.raises(ValueError, match="Got an environment with ChoiceActions"):
        host.run(rows=(2,), repeats=1, ids=("lm_envs/Dialogue-v0",))


def test_environments_that_write_no_text_are_refused():
    with pytest.raises(ValueError, match="Got env='lm_envs/WeightTuning-v0'; allowed"):
        host.run(ids=("lm_envs/WeightTuning-v0",))
