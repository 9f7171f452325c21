"""A GGUF file of the Llama architecture as tensors, configuration and tokenizer of transformers.

Owns the names and the order of values in GGUF, the file format of llama.cpp, and its dequantization
through the package `gguf`. Executes nothing from the file. Knows nothing of downloads or folders.

Source: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md and `LlamaModel.permute` in
https://github.com/ggml-org/llama.cpp/blob/master/convert_hf_to_gguf.py
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers
from tokenizers import decoders, models, pre_tokenizers

_CONFIG_KEYS = {
    "vocab_size": "llama.vocab_size",
    "hidden_size": "llama.embedding_length",
    "intermediate_size": "llama.feed_forward_length",
    "num_hidden_layers": "llama.block_count",
    "num_attention_heads": "llama.attention.head_count",
    "num_key_value_heads": "llama.attention.head_count_kv",
    "head_dim": "llama.rope.dimension_count",
    "max_position_embeddings": "llama.context_length",
    "rms_norm_eps": "llama.attention.layer_norm_rms_epsilon",
    "rope_theta": "llama.rope.freq_base",
}
"""Keys of a Llama's `config.json`, and of GGUF's metadata."""

_SPECIAL_IDS = {
    "bos_token": "tokenizer.ggml.bos_token_id",
    "eos_token": "tokenizer.ggml.eos_token_id",
    "pad_token": "tokenizer.ggml.padding_token_id",
    "unk_token": "tokenizer.ggml.unknown_token_id",
}

_TENSOR_NAMES = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
"""Parts of a tensor's name in GGUF, and in a checkpoint of transformers."""

_CONTROL = 3
"""Value of `tokenizer.ggml.token_type`: a token that is no text, such as `<|im_end|>`."""

_DECIMALS = 8
"""GGUF stores numbers as float32: 1e-5 reads 9.999999747378752e-06."""


@dataclass(frozen=True, slots=True)
class GgufModel:
    """Content of a GGUF file in the terms of transformers.

    Attributes:
        config: Content of `config.json`.
        tensors: Float32 arrays by their names in `model.safetensors`.
        tokenizer: Byte-level BPE; its special tokens are added tokens.
        tokenizer_config: Content of `tokenizer_config.json`, with the chat template.
        quantization: Number of tensors of each type of GGUF, such as {"Q4_1": 210}.
    """

    config: dict[str, Any]
    tensors: dict[str, np.ndarray]
    tokenizer: tokenizers.Tokenizer
    tokenizer_config: dict[str, Any]
    quantization: dict[str, int]


def load_gguf(path: Path) -> GgufModel:
    """Loads and dequantizes a file.

    Raises:
        ImportError: If the package `gguf` is not installed.
        ValueError: If the file is of another architecture than Llama, or has another tokenizer than
            SmolLM's.
    """
    import gguf

    reader = gguf.GGUFReader(path)
    metadata = {name: field.contents() for name, field in reader.fields.items()}
    _check(metadata, path)
    tensors, quantization = {}, {}
    for tensor in reader.tensors:
        values = gguf.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        name = _tensor_name(tensor.name)
        tensors[name] = _unpermuted(name, values, metadata)
        kind = tensor.tensor_type.name
        quantization[kind] = quantization.get(kind, 0) + 1
    return GgufModel(
        _config(metadata, is_tied="lm_head.weight" not in tensors),
        tensors,
        _tokenizer(metadata),
        _tokenizer_config(metadata),
        quantization,
    )


def _check(metadata: Mapping[str, Any], path: Path) -> None:
    needed = {
        "general.architecture": "llama",
        "tokenizer.ggml.model": "gpt2",  # byte-level BPE
        "tokenizer.ggml.pre": "smollm",
    }
    for key, value in needed.items():
        if metadata.get(key) != value:
            raise ValueError(
                f"Got {key}={metadata.get(key)!r} in {path}; allowed: {value!r}. Use the model's "
                "own folder with model.safetensors, from which the GGUF file was made."
            )


def _config(metadata: Mapping[str, Any], *, is_tied: bool) -> dict[str, Any]:
    values = {key: metadata[name] for key, name in _CONFIG_KEYS.items() if name in metadata}
    values["rms_norm_eps"] = round(values["rms_norm_eps"], _DECIMALS)
    ids = {f"{name}_id": int(metadata[key]) for name, key in _SPECIAL_IDS.items()}
    del ids["unk_token_id"]
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        **values,
        **ids,
        "hidden_act": "silu",
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": is_tied,
        "dtype": "float32",
    }


def _tensor_name(name: str) -> str:
    """Returns the name in transformers of a tensor of a GGUF file.

    `blk.0.attn_q.weight` is `model.layers.0.self_attn.q_proj.weight` there.
    """
    *block, part, kind = name.split(".")
    prefix = f"model.layers.{block[1]}." if block else ""
    return f"{prefix}{_TENSOR_NAMES[part]}.{kind}"


def _unpermuted(name: str, values: np.ndarray, metadata: Mapping[str, Any]) -> np.ndarray:
    """Queries and keys with the two halves of each head one after the other.

    GGUF stores the two numbers that a rotary position turns together side by side.
    """
    for part, count in (("q_proj", "head_count"), ("k_proj", "head_count_kv")):
        if name.endswith(f"{part}.weight"):
            pairs = values.reshape(metadata[f"llama.attention.{count}"], -1, 2, values.shape[1])
            values = pairs.swapaxes(1, 2).reshape(values.shape)
    return np.ascontiguousarray(values)


def _tokenizer(metadata: Mapping[str, Any]) -> tokenizers.Tokenizer:
    names = metadata["tokenizer.ggml.tokens"]
    vocabulary = {name: token for token, name in enumerate(names)}
    merges = [tuple(merge.split(" ")) for merge in metadata["tokenizer.ggml.merges"]]
    backend = tokenizers.Tokenizer(models.BPE(vocabulary, merges))
    # llama.cpp calls this sequence "smollm": each digit is a token, so that numbers line up.
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    backend.decoder = decoders.ByteLevel()
    kinds = metadata["tokenizer.ggml.token_type"]
    special = [name for name, kind in zip(names, kinds, strict=True) if kind == _CONTROL]
    backend.add_special_tokens(
        [tokenizers.AddedToken(name, special=True, normalized=False) for name in special]
    )
    return backend


def _tokenizer_config(metadata: Mapping[str, Any]) -> dict[str, Any]:
    names = metadata["tokenizer.ggml.tokens"]
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        **{name: names[metadata[key]] for name, key in _SPECIAL_IDS.items()},
        "model_max_length": int(metadata["llama.context_length"]),
        "clean_up_tokenization_spaces": False,
        "chat_template": metadata["tokenizer.chat_template"],
    }
