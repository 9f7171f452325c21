import pytest

from benchmarks.gpu import engine
from tests.benchmarks.gpu.sections import make_section


def test_rates_of_an_engine_agree_with_its_durations():
    section, rows = make_section()
    engine.run(section)
    for row, num_rows in zip(rows, (2, 1), strict=True):
        job = engine.make_job(section, "embedded", num_rows, "float32")
        assert row["n"] == num_rows
        assert row["tokens_per_s"] == pytest.approx(num_rows * job.new / row["median"])
        assert row["decode_tokens_per_s"] == pytest.approx(1e3 * num_rows / row["decode_ms"])
        assert row["share_of_limit"] > 0
