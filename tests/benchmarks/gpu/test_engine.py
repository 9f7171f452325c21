import pytest

from benchmarks.gpu import engine
from tests.benchmarks.gpu.sections import make_section
from tests.model.engines import needs_compiler


def test_rates_of_an_engine_agree_with_its_durations():
    section, rows = make_section()
    engine.run(section)
    for row, num_rows in zip(rows[:2], (2, 1), strict=True):
        job = engine.make_job(section, "embedded", num_rows, "float32")
        assert row["n"] == num_rows
        assert row["tokens_per_s"] == pytest.approx(num_rows * job.new / row["median"])
        assert row["decode_tokens_per_s"] == pytest.approx(1e3 * num_rows / row["decode_ms"])
        assert row["share_of_limit"] > 0


@needs_compiler
def test_the_deterministic_engine_is_compared_with_the_default_one():
    section, rows = make_section()
    engine.run(section)
    row = rows[2]
    assert row["what"] == "engine, deterministic"
    assert row["is_alone"]
    assert row["is_alone_by_default"]  # the kernels of a CPU are the same
    assert row["times_default"] > 0
