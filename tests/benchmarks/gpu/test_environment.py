import pytest

from benchmarks.gpu import environment
from tests.benchmarks.gpu.sections import make_section


def test_a_step_is_the_engine_and_the_host():
    section, rows = make_section()
    environment.run(section)
    assert [row["what"] for row in rows] == [environment.BEST, environment.RANDOM]
    for row in rows:
        host_ms = row["host_us_per_row"] * row["n"] / 1e3
        assert row["engine_ms"] + host_ms == pytest.approx(row["ms_per_step"])
        assert row["steps_per_s"] == pytest.approx(1e3 * row["n"] / row["ms_per_step"])
