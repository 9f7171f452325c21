import importlib.util

import pytest

from benchmarks.competitors.finetune_job import FinetuneResult
from benchmarks.subjects import finetune
from lm_envs.model import loading

OURS = FinetuneResult([1.0] * 3, [3.0] * 3, num_generated=100, num_learned=100)


def test_competitor_that_learns_from_few_tokens_is_compared_in_total_and_in_halves():
    few = FinetuneResult([2.0] * 3, [3.0] * 3, num_generated=100, num_learned=10)
    row = finetune.compare(OURS, few)
    assert row["speedup"] == pytest.approx(32 / 4)
    assert row["writing_speedup"] == pytest.approx(2)
    assert row["learning_speedup"] == pytest.approx(10)
    assert row["note"] == "learned from 10 tokens of 100, the rest extrapolated"


def test_competitor_that_generates_less_is_compared_by_its_learning_alone():
    less = FinetuneResult([9.0] * 3, [3.0] * 3, num_generated=10, num_learned=10)
    row = finetune.compare(OURS, less)
    assert row["speedup"] == pytest.approx(10)
    assert row["note"] == "10 tokens of 100; speedup of learning alone"
    assert "writing_speedup" not in row


def test_competitor_without_separate_halves_is_compared_in_total():
    whole = FinetuneResult([], [8.0] * 3, num_generated=100, num_learned=100)
    assert finetune.compare(OURS, whole) == {"speedup": pytest.approx(2)}


def test_noise_in_one_half_leaves_the_other_half_comparable():
    noisy = FinetuneResult([2.0] * 3, [1.0, 3.0, 9.0], num_generated=100, num_learned=100)
    row = finetune.compare(OURS, noisy)
    assert row["writing_speedup"] == pytest.approx(2)
    assert row["speedup"] is row["learning_speedup"] is None


def test_all_installed_competitors_are_measured():
    rows = finetune.run("embedded", [2], ["float32"], 1)["rows"]
    ours, lora, per_token, rl4lms, trl = rows
    assert [row["what"] for row in rows] == list(finetune.COMPETITORS)
    assert ours["speedup"] == 1.0
    assert min(ours["writing_s"], ours["learning_s"]) > 0
    assert min(per_token["learning_s"], per_token["peak_gib"]) > 0
    assert ("learning_s" in lora) == (importlib.util.find_spec("peft") is not None)
    assert rl4lms["note"] == "learned from 4 tokens of 64, the rest extrapolated"
    seconds = rl4lms["writing_s"] + 16 * rl4lms["learning_s"]
    assert rl4lms["tokens_per_s"] == pytest.approx(64 / seconds)
    assert min(rl4lms[f"{half}speedup"] for half in ("", "writing_", "learning_")) > 0
    assert ("tokens_per_s" in trl) == (importlib.util.find_spec("trl") is not None)


def test_more_texts_than_an_update_has_memory_for_are_refused():
    with pytest.raises(ValueError, match=r"Got 1000000000 texts .* at most \d+ fit here"):
        finetune.check_memory(loading.locate("embedded"), 10**9)


def test_int8_is_refused_because_it_has_no_gradients():
    with pytest.raises(ValueError, match="Got dtype='int8'; allowed: 'float32', 'bfloat16'"):
        finetune.run("embedded", [2], ["int8"], 1)
