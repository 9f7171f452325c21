from pathlib import Path

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from agents.language_model import model_card
from lm_envs.model import loading
from lm_envs.tokenizer import Tokenizer

RESULT = {"tokens": 1_000_000, "steps": 10, "minutes": 1.5, "held_out": {"prose": 2.5}}


@pytest.fixture
def model(checkpoint):
    """A model whose vocabulary is exactly the tokenizer's, as pretraining makes it."""
    torch.manual_seed(0)
    size = len(Tokenizer.from_folder(checkpoint))
    shape = {"n_layer": 1, "n_head": 2, "n_embd": 16, "n_positions": 64}
    return GPT2LMHeadModel(GPT2Config(**shape, vocab_size=size, bos_token_id=0, eos_token_id=0))


def test_the_folder_loads_and_its_card_reports_the_result(model, checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr(model_card, "documents", lambda part, split: ["the cat sat on the mat"])
    tokenizer, config = checkpoint / "tokenizer.json", Path("configs/pretrain.yaml")
    model_card.write_model_folder(model, tokenizer, RESULT, config, tmp_path)
    loaded = loading.load(tmp_path, "cpu", "float32")
    assert loaded.config.vocab_size == model.config.vocab_size
    card = (tmp_path / "README.md").read_text()
    assert "| prose |\n| --- |\n| 2.50 |" in card
    assert card.count("- greedy:") == 1
