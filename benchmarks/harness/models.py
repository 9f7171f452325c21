"""Models to measure: the embedded one, and GPT-2's shapes with random weights; texts to begin with.

Random weights cost the same arithmetic as trained ones.
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
"""Shapes of GPT-2's sizes, where they are not the smallest's."""

CACHE = Path("runs") / "benchmark_models"


PASSAGES = 60
"""How many passages there are to begin with."""


def folder_of(name: str) -> Path:
    """Folder of a model; one of `SHAPES` is made at its first use."""
    if name not in SHAPES:
        return loading.locate(name)
    folder = CACHE / name
    if not (folder / "tokenizer.json").exists():
        _make(folder, SHAPES[name])
    return folder


def config_of(folder: Path) -> GPT2Config:
    """The shape of a model."""
    return GPT2Config.from_pretrained(folder)


def passages(prompt: int) -> Path:
    """File of passages, made of the embedded prose, of which prompts of so many tokens are half."""
    path = CACHE / f"passages-{prompt}.txt"
    if not path.exists():
        words, size = " ".join(read_texts("embedded", "train")).split(), 2 * prompt
        texts = [" ".join(words[size * n : size * (n + 1)]) for n in range(PASSAGES)]
        write_text(path, "\n\n".join(texts))
    return path


def _make(folder: Path, shape: dict[str, Any]) -> None:
    from transformers import GPT2LMHeadModel

    torch.manual_seed(0)
    end = 50256
    model = GPT2LMHeadModel(GPT2Config(bos_token_id=end, eos_token_id=end, **shape))
    model.save_pretrained(folder)
    write_text(folder / "tokenizer.json", json.dumps(_vocabulary(end)))


def _vocabulary(end: int) -> dict[str, object]:
    """The embedded vocabulary, filled up with words that no text has, to GPT-2's size."""
    embedded = loading.locate(loading.EMBEDDED) / "tokenizer.json"
    tokenizer = json.loads(embedded.read_text(encoding="utf-8"))
    words = {w: i for w, i in tokenizer["model"]["vocab"].items() if w != "<|endoftext|>"}
    words = {word: number for number, word in enumerate(words)}
    words |= {f"!unused{number}": number for number in range(len(words), end)}
    tokenizer["model"]["vocab"] = {**words, "<|endoftext|>": end}
    for token in tokenizer["added_tokens"]:
        token["id"] = end
    return tokenizer
