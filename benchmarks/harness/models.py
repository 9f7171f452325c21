"""Models to measure (the embedded one, and GPT-2's sizes with random weights) and prompt texts.

Random weights cost the same arithmetic as trained ones. Owns the folder of generated models and
texts. Knows nothing of what is measured.
"""

import json
from pathlib import Path
from typing import Any

import torch
from transformers import GPT2Config

from agents.runs.files import write_text
from lm_envs.model import loading
from lm_envs.tasks.datasets import read_texts

GPT2_124M = "gpt2-124m"
SHAPES: dict[str, dict[str, Any]] = {
    GPT2_124M: {},
    "gpt2-355m": {"n_embd": 1024, "n_layer": 24, "n_head": 16},
}
"""Arguments of `GPT2Config` beside its defaults, which are those of the smallest GPT-2."""

CACHE = Path("runs") / "benchmark_models"

NUM_PASSAGES = 60
"""Passages in a file of prompts."""

END_TOKEN = 50256
"""GPT-2's end-of-text token, the last of its vocabulary."""


def model_folder(name: str) -> Path:
    """Folder of a model by name or path; a model of `SHAPES` is generated at its first use."""
    if name not in SHAPES:
        return loading.locate(name)
    folder = CACHE / name
    if not (folder / "tokenizer.json").exists():
        _generate(folder, SHAPES[name])
    return folder


def load_gpt2_config(folder: Path) -> GPT2Config:
    """The configuration in a model's folder, as transformers reads it."""
    return GPT2Config.from_pretrained(folder)


def passages_file(prompt_tokens: int) -> Path:
    """File of passages from the embedded prose, each long enough for prompts of `prompt_tokens`.

    A passage has twice as many English words as a prompt has tokens, because the environment takes
    at most the first half of a passage as its prompt.
    """
    path = CACHE / f"passages-{prompt_tokens}.txt"
    if not path.exists():
        words, size = " ".join(read_texts("embedded", "train")).split(), 2 * prompt_tokens
        texts = [" ".join(words[size * n : size * (n + 1)]) for n in range(NUM_PASSAGES)]
        write_text(path, "\n\n".join(texts))
    return path


def _generate(folder: Path, shape: dict[str, Any]) -> None:
    """Writes a checkpoint with random weights; the tokenizer comes last and marks it complete."""
    from transformers import GPT2LMHeadModel

    torch.manual_seed(0)
    config = GPT2Config(bos_token_id=END_TOKEN, eos_token_id=END_TOKEN, **shape)
    GPT2LMHeadModel(config).save_pretrained(folder)
    write_text(folder / "tokenizer.json", json.dumps(_padded_tokenizer()))


def _padded_tokenizer() -> dict[str, object]:
    """The embedded tokenizer with unused tokens added, up to the size of GPT-2's vocabulary."""
    embedded = loading.locate(loading.EMBEDDED) / "tokenizer.json"
    tokenizer = json.loads(embedded.read_text(encoding="utf-8"))
    end_text = "<|endoftext|>"
    texts = [text for text in tokenizer["model"]["vocab"] if text != end_text]
    vocabulary = {text: token for token, text in enumerate(texts)}
    vocabulary |= {f"!unused{token}": token for token in range(len(texts), END_TOKEN)}
    tokenizer["model"]["vocab"] = {**vocabulary, end_text: END_TOKEN}
    for special in tokenizer["added_tokens"]:
        special["id"] = END_TOKEN
    return tokenizer
