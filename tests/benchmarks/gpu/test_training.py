from benchmarks.gpu import training
from tests.benchmarks.gpu.sections import make_section


def test_run_that_fails_has_its_error():
    section, _ = make_section()
    row, result = training.run_module(section, "agents.train", training.CONFIG, {"foo": 1})
    assert row["exit_code"] == 2
    assert "foo" in row["note"]
    assert result == {}


def test_run_without_time_is_ended_with_a_note():
    section, _ = make_section(0.5)
    row, result = training.run_module(section, "agents.train", training.CONFIG, {})
    assert row["note"] == "ended: its time was used up"
    assert result == {}
