"""Models to measure: the embedded one, and the shape of GPT-2 124M with random weights.

Random weights cost the same arithmetic as trained ones.
"""

import json
from pathlib import Path

import torch

from agents.files import write_text
from lm_envs.model import weights

GPT2_124M = "gpt2-124m"
CACHE = Path("runs") / "benchmark_models"


def folder_of(name: str) -> Path:
    """Folder of a model; the random 124M is made at its first use."""
    if name != GPT2_124M:
        return weights.locate(name)
    folder = CACHE / GPT2_124M
    if not (folder / "tokenizer.json").exists():
        _make(folder)
    return folder


def _make(folder: Path) -> None:
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    end = 50256
    model = GPT2LMHeadModel(GPT2Config(bos_token_id=end, eos_token_id=end))
    model.save_pretrained(folder)
    write_text(folder / "tokenizer.json", json.dumps(_vocabulary(end)))


def _vocabulary(end: int) -> dict[str, object]:
    """The embedded vocabulary, filled up with words that no text has, to GPT-2's size."""
    embedded = weights.locate(weights.EMBEDDED) / "tokenizer.json"
    tokenizer = json.loads(embedded.read_text(encoding="utf-8"))
    words = {w: i for w, i in tokenizer["model"]["vocab"].items() if w != "<|endoftext|>"}
    words = {word: number for number, word in enumerate(words)}
    words |= {f"!unused{number}": number for number in range(len(words), end)}
    tokenizer["model"]["vocab"] = {**words, "<|endoftext|>": end}
    for token in tokenizer["added_tokens"]:
        token["id"] = end
    return tokenizer
