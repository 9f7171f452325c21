import pytest

from benchmarks.harness import models
from lm_envs.model import loading
from lm_envs.tokenizer import Tokenizer


def test_passages_are_twice_as_long_as_prompts(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    tokenizer = Tokenizer.from_folder(loading.locate("embedded"))
    passages = models.passages_file(16).read_text().split("\n\n")
    assert len(passages) == models.NUM_PASSAGES
    assert min(len(tokenizer.encode(passage)) for passage in passages) >= 2 * 16


def test_embedded_model_is_not_generated():
    assert models.model_folder("embedded") == loading.locate("embedded")


def test_unknown_model_is_refused():
    with pytest.raises((ValueError, OSError)):
        models.model_folder("no-such-model")


def test_generated_model_has_the_vocabulary_of_gpt2(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(models.SHAPES, "tiny", {"n_embd": 32, "n_layer": 1, "n_head": 2})
    folder = models.model_folder("tiny")
    config, tokenizer = loading.read_model_config(folder), Tokenizer.from_folder(folder)
    assert config.vocab_size == len(tokenizer) == 50257
    assert tokenizer.end_token == 50256
    assert loading.load(folder, "cpu", "float32").config.vocab_size == 50257


def test_generated_model_is_generated_once(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(models.SHAPES, "tiny", {"n_embd": 32, "n_layer": 1, "n_head": 2})
    weights = models.model_folder("tiny") / "model.safetensors"
    first = weights.stat().st_mtime_ns
    models.model_folder("tiny")
    assert weights.stat().st_mtime_ns == first
