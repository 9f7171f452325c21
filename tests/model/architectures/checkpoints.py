"""Tiny checkpoints of transformers with random weights, one of each variant, and their oracle."""

from functools import cache
from typing import NamedTuple

import numpy as np
import torch
import transformers

from lm_envs.model import loading
from lm_envs.model.lm_head import LMHead
from tests.model.engines import walk

LLAMA = {
    "vocab_size": 700,
    "hidden_size": 64,
    "intermediate_size": 112,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 160,
    "bos_token_id": 0,
    "eos_token_id": 0,
}
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 10000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
LLAMA_VARIANTS = {
    "llama": ("Llama", {}),
    "llama, tied": ("Llama", {"tie_word_embeddings": True}),
    "llama, all heads": ("Llama", {"num_key_value_heads": 4}),
    "llama, one key head": ("Llama", {"num_key_value_heads": 1, "head_dim": 32}),
    "llama, biases": ("Llama", {"attention_bias": True, "mlp_bias": True}),
    "llama, llama3 positions": ("Llama", {"rope_parameters": LLAMA3}),
    "llama, gelu": ("Llama", {"hidden_act": "gelu"}),
    "qwen2": ("Qwen2", {}),
    "qwen3": ("Qwen3", {"head_dim": 32, "tie_word_embeddings": True}),
    "qwen3, biases": ("Qwen3", {"head_dim": 16, "attention_bias": True}),
    "mistral": ("Mistral", {"sliding_window": None}),
    "mistral, wide window": ("Mistral", {"sliding_window": 160}),
}
GPT2 = {
    "vocab_size": 700,
    "n_embd": 64,
    "n_layer": 3,
    "n_head": 4,
    "n_positions": 160,
    "bos_token_id": 0,
    "eos_token_id": 0,
}
GPT2_VARIANTS = {
    "gpt2": {},
    "gpt2, n_inner": {"n_inner": 112},
    "gpt2, untied": {"tie_word_embeddings": False},
    "gpt2, scaled by layer": {"scale_attn_by_inverse_layer_idx": True},
    "gpt2, not scaled": {"scale_attn_weights": False},
    "gpt2, upcast": {"reorder_and_upcast_attn": True},
} | {
    f"gpt2, {name}": {"activation_function": name}
    for name in ("gelu", "gelu_fast", "gelu_pytorch_tanh", "relu", "silu")
}
VARIANTS = (*GPT2_VARIANTS, *LLAMA_VARIANTS)


@cache
def make_reference(variant):
    """An untrained model of transformers with weights large enough to disagree about."""
    if variant in GPT2_VARIANTS:
        name, options = "GPT2", GPT2 | GPT2_VARIANTS[variant]
        head = "GPT2LMHeadModel"
    else:
        name, options = LLAMA_VARIANTS[variant]
        options, head = LLAMA | options, f"{name}ForCausalLM"
    config = getattr(transformers, f"{name}Config")(**options)
    torch.manual_seed(0)
    model = getattr(transformers, head)(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(4)
            else:  # gains and biases, which are 1 and 0
                parameter.add_(0.2 * torch.randn_like(parameter))
    return model


def load_reference(reference, folder, dtype="float32"):
    """The same model in our engine's form."""
    reference.save_pretrained(folder)
    return loading.load(folder, "cpu", dtype)


def walk_texts(model, num_rows, num_steps, **changes):
    """The texts of a walk, each with the hidden states (S, D) after its last S tokens."""
    running = [(np.zeros(0, np.int64), []) for _ in range(num_rows)]
    for outputs, contexts in walk(model, num_rows, num_steps, **changes):
        for row, context in enumerate(contexts):
            text, states = running[row]
            if len(context) != len(text) + 1 or not np.array_equal(context[:-1], text):
                yield text, states
                states = []
            states.append(outputs.hidden[row])
            running[row] = (context, states)
    yield from running


class Comparison(NamedTuple):
    """A walk of our engine beside transformers, which reads each whole text once, in float32."""

    difference: float  # largest of logits, which are those of transformers up to a constant
    largest: float  # logit
    agrees: torch.Tensor  # (S,) whether the first choice is the same, at each step
    margins: torch.Tensor  # (S,) logit of transformers' first choice less that of its second


@torch.no_grad()
def compare_logits(model, reference, num_rows, num_steps, **changes):
    """Compares the logits after each step of a walk with ragged prompts and random resets."""
    head = LMHead(model, 2, required=0)  # the required token takes the second place
    differences, sizes, agreed, margins = [], [], [], []
    for text, states in walk_texts(model, num_rows, num_steps, **changes):
        if not states:
            continue
        expected = reference(torch.as_tensor(text)[None]).logits[0, -len(states) :]
        hidden = torch.as_tensor(np.stack(states))
        best = expected.topk(2)
        differences.append((head.logits(hidden) - expected).abs().max().item())
        sizes.append(expected.abs().max().item())
        agreed.append(head.top_k(hidden).candidates[:, 0] == best.indices[:, 0])
        margins.append(best.values[:, 0] - best.values[:, 1])
    return Comparison(max(differences), max(sizes), torch.cat(agreed), torch.cat(margins))
