import pytest

from benchmarks.subjects import scaling


def test_slope_is_1_for_a_proportional_cost_and_0_for_a_constant_one():
    assert scaling.slope([16, 64, 256], [3, 12, 48]) == pytest.approx(1)
    assert scaling.slope([16, 64, 256], [7, 7, 7]) == pytest.approx(0)


def test_slope_needs_two_sizes_or_more():
    """The embedded model has room for the shortest context only, and is the smallest model."""
    rows = scaling.run("embedded", [1, 2], ["float32"], 1)["rows"]
    assert [row["what"] for row in rows if "slope" in row] == ["ms per step against rows"]
    engines = [(row["what"], row["context"]) for row in rows if "context" in row]
    assert engines == [("engine", 64), ("engine, 8-bit keys and values", 64)]
