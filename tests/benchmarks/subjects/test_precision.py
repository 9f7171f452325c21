from benchmarks.subjects import precision
from tests.benchmarks.generation_jobs import needs_int8


@needs_int8
def test_rounding_to_8_bits_costs_little_on_held_out_passages():
    exact, *rounded = precision.run("embedded", ["int8"])["rows"]
    assert (exact["dtype"], exact["same_best_token"], exact["logprob_error"]) == ("float32", 1.0, 0)
    assert [row["dtype"] for row in rounded] == ["float32", "int8", "int8"]
    assert [row["what"].endswith("8-bit keys and values") for row in rounded] == [True, False, True]
    for row in rounded:
        assert row["perplexity"] < 1.01 * exact["perplexity"]
        assert row["same_best_token"] > 0.97
        assert row["logprob_error"] > 0


def test_float32_is_measured_once():
    rows = precision.run("embedded", ["float32"])["rows"]
    assert [(row["what"], row["dtype"]) for row in rows] == [
        ("held-out passages", "float32"),
        ("8-bit keys and values", "float32"),
    ]
