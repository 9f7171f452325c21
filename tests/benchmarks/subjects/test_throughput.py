import importlib.util
import json
import re

import pytest

from benchmarks.harness import models
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


@pytest.fixture(scope="module")
def llama_like(tmp_path_factory):
    """A folder with grouped heads, a gated perceptron and an output matrix of its own."""
    folder = tmp_path_factory.mktemp("models")
    shape = {"hidden_size": 64, "intermediate_size": 112, "num_hidden_layers": 2}
    shape |= {"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 128}
    shape |= {"model_type": "qwen2", "vocab_size": 6200, "tie_word_embeddings": False}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models, "CACHE", folder)
        patch.setitem(models.SHAPES, "tiny", shape)
        return str(models.model_folder("tiny"))


def test_chosen_competitors_are_measured_beside_the_environment(llama_like):
    chosen = {"competitors": ["transformers generate"]}
    document = throughput.run(llama_like, [2], ["float32"], 1, **chosen)
    ours, generate = document["rows"]
    assert (ours["what"], generate["what"]) == ("environment", "transformers generate")
    inner, width, vocabulary = 112, 64, 6200
    weights = 2 * (2 * width * (width + width // 2) + 3 * width * inner) + vocabulary * width
    cached = 2 * 2 * width // 2 * (32 + 64 / 2)  # layers, keys and values, half of the heads
    assert ours["limit"]["cost"]["bytes"] == 4 * (weights + 2 * cached)
    assert ours["share_of_limit"] > 0


def test_unknown_competitor_is_refused():
    with pytest.raises(ValueError, match="Got competitor='vLLM'; allowed: 'environment'"):
        throughput.run("embedded", competitors=["vLLM"])


def test_fewer_competitors_need_less_memory():
    job = make_job(num_rows=10**9)
    most = []
    for chosen in (["engine"], list(throughput.COMPETITORS)):
        with pytest.raises(ValueError, match="Name fewer by --competitor") as caught:
            throughput.check_fits("embedded", job, chosen)
        most.append(int(re.search(r"at most (\d+) fit", str(caught.value))[1]))
    assert most[0] > 2 * most[1]


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
