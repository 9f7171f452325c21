import importlib.util
import json

import pytest

from benchmarks.subjects import throughput
from tests.benchmarks.generation_jobs import make_job


@pytest.fixture(scope="module")
def rows():
    document = throughput.run("embedded", [2], ["float32"], 1)
    assert json.loads(json.dumps(document)) == document
    return {row["what"]: row for row in document["rows"]}


def test_all_competitors_that_can_load_the_model_are_measured(rows):
    assert set(rows) == {name for name in throughput.COMPETITORS if "CTranslate2" not in name}
    for row in rows.values():
        assert row["tokens_per_s"] == pytest.approx(2 * 64 / row["median"])
        assert row["peak_gib"] > 0.1


def test_decoding_is_the_total_without_the_prompts(rows):
    ours = rows["environment"]
    decoding = max(ours["median"] - ours["prompts_s"], 1e-9)  # as in the code: noise may exceed it
    assert ours["decode_tokens_per_s"] == pytest.approx(2 * 64 / decoding)
    assert ours["gb_per_s"] == pytest.approx(ours["limit"]["cost"]["bytes"] * 64 / decoding / 1e9)
    assert "decode_tokens_per_s" not in rows["Stable-Baselines3 rollout"]


def test_competitor_that_is_not_installed_has_a_note(monkeypatch):
    absent = throughput.Competitor(throughput.ours.engine, package="no_such_package")
    present = throughput.COMPETITORS["environment"]
    competitors = {"environment": present, "absent": absent}
    monkeypatch.setattr(throughput, "COMPETITORS", competitors)
    _, row = throughput.run("embedded", [1], ["float32"], 1)["rows"]
    assert importlib.util.find_spec("no_such_package") is None
    assert row["note"] == "not installed: pip install no_such_package"


@pytest.mark.parametrize(
    ("model", "changes", "accepts"),
    [
        ("small", {}, True),
        ("large", {}, False),
        ("small", {"num_rows": 9}, False),
        ("small", {"dtype": "int8"}, False),
    ],
)
def test_competitor_is_left_out_beyond_its_models_rows_and_dtypes(model, changes, accepts):
    competitor = throughput.Competitor(
        throughput.ours.engine, max_rows=8, models=("small",), dtypes=("float32",)
    )
    assert competitor.accepts(model, make_job(**changes)) == accepts


def test_rows_that_do_not_fit_in_memory_are_refused():
    with pytest.raises(ValueError, match=r"Got 1000000000 rows .* at most \d+ fit here"):
        throughput.check_fits("embedded", make_job(num_rows=10**9))


def test_prompt_that_does_not_fit_in_the_context_is_refused():
    with pytest.raises(ValueError, match="Got prompts of 2000 tokens; embedded has room for"):
        throughput.run("embedded", prompts=[2000])
