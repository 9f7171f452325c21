import pytest

from benchmarks.harness import episodes
from benchmarks.subjects import tasks


def test_language_ids_start_with_the_baseline_and_have_no_tuning_environment():
    names = tasks.language_ids()
    assert names[0] == "lm_envs/NextWord-v0"
    assert "lm_envs/Translation-v0" in names
    assert "lm_envs/WeightTuning-v0" not in names


def test_every_language_environment_is_measured(monkeypatch):
    monkeypatch.setattr(episodes, "WARM_UP_STEPS", 8)  # no time is asserted
    rows = tasks.run("embedded", [1], ["float32"], 1)["rows"]
    assert [row["what"] for row in rows] == tasks.language_ids()
    assert rows[0]["times_next_word"] == 1.0
    for row in rows:
        assert row["tokens_per_s"] == pytest.approx(row["steps_per_s"] * row["tokens_per_step"])
        assert row["tokens_per_step"] >= 1
