"""Models to measure (the embedded one, and known shapes with random weights) and prompt texts.

Random weights cost the same arithmetic as trained ones. Owns the folder of generated models and
texts. Knows nothing of what is measured.
"""

import json
from pathlib import Path
from typing import Any

import torch

from agents.runs.files import write_text
from lm_envs.model import loading
from lm_envs.tasks.datasets import read_texts

GPT2_124M = "gpt2-124m"
SHAPES: dict[str, dict[str, Any]] = {
    GPT2_124M: {},
    "gpt2-355m": {"n_embd": 1024, "n_layer": 24, "n_head": 16},
    "smollm2-135m": {
        "model_type": "llama",
        "vocab_size": 49152,
        "hidden_size": 576,
        "intermediate_size": 1536,
        "num_hidden_layers": 30,
        "num_attention_heads": 9,
        "num_key_value_heads": 3,
        "max_position_embeddings": 8192,
        "rope_theta": 100000.0,
        "tie_word_embeddings": True,
    },
    "qwen2.5-0.5b": {
        "model_type": "qwen2",
        "vocab_size": 151936,
        "hidden_size": 896,
        "intermediate_size": 4864,
        "num_hidden_layers": 24,
        "num_attention_heads": 14,
        "num_key_value_heads": 2,
        "max_position_embeddings": 32768,
        "rope_theta": 1000000.0,
        "tie_word_embeddings": True,
    },
}
"""Arguments of the configuration beside its defaults, which are those of the smallest GPT-2 where
no `model_type` is named."""

GPT2_SHAPES = tuple(name for name, shape in SHAPES.items() if "model_type" not in shape)

CACHE = Path("runs") / "benchmark_models"

NUM_PASSAGES = 60
"""Passages in a file of prompts."""


def model_folder(name: str) -> Path:
    """Folder of a model by name or path; a model of `SHAPES` is generated at its first use."""
    if name not in SHAPES:
        return loading.locate(name)
    folder = CACHE / name
    if not (folder / "tokenizer.json").exists():
        _generate(folder, SHAPES[name])
    return folder


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
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(0)
    config = AutoConfig.for_model(**{"model_type": "gpt2"} | shape)
    end_token = config.vocab_size - 1
    config.bos_token_id = config.eos_token_id = end_token
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    write_text(folder / "tokenizer.json", json.dumps(_padded_tokenizer(end_token)))


def _padded_tokenizer(end_token: int) -> dict[str, object]:
    """The embedded tokenizer with unused tokens added; its end-of-text token comes last."""
    embedded = loading.locate(loading.EMBEDDED) / "tokenizer.json"
    tokenizer = json.loads(embedded.read_text(encoding="utf-8"))
    end_text = "<|endoftext|>"
    texts = [text for text in tokenizer["model"]["vocab"] if text != end_text]
    vocabulary = {text: token for token, text in enumerate(texts)}
    vocabulary |= {f"!unused{token}": token for token in range(len(texts), end_token)}
    tokenizer["model"]["vocab"] = {**vocabulary, end_text: end_token}
    for special in tokenizer["added_tokens"]:
        special["id"] = end_token
    return tokenizer
