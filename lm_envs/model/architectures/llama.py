"""The Llama family: RMS norms, rotary positions, grouped key/value heads, a gated perceptron.

Owns the order of the arithmetic. Members are Llama, Mistral without a window, Qwen2 (biases of
queries, keys and values) and Qwen3 (norms of queries and keys). Tokens arrive flat, (M,); which
tokens each token sees is decided by the caller's `Attend`. Knows nothing of rows, caches or text.

Source: Touvron et al. 2023, https://arxiv.org/abs/2302.13971.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import torch
import torch.nn.functional as F

from lm_envs.model.architectures.activations import ACTIVATIONS
from lm_envs.model.architectures.base import Architecture
from lm_envs.model.architectures.llama_config import (
    BIASES,
    LlamaConfig,
    Member,
    parse_config,
    tensor_shapes,
)
from lm_envs.model.architectures.network import Network, scale_parts
from lm_envs.model.architectures.rotary import Rotary
from lm_envs.model.attention import Attend
from lm_envs.model.kernels.base import HeadNorms, LinearLayer, RMSNorm
from lm_envs.model.kernels.torch_ops import turn

_QKV = ("q_proj", "k_proj", "v_proj")

STORED_TABLES = 64
"""Tables of angles that a process keeps, one for each length of text: at most 256 KiB each for
texts of 1,024 tokens and heads of size 64."""


@dataclass(frozen=True, slots=True)
class Block:
    """One layer: attention and a gated perceptron, each normed before and added after."""

    attention_norm: RMSNorm
    qkv: LinearLayer
    head_norms: HeadNorms | None
    attention_out: LinearLayer
    mlp_norm: RMSNorm
    gate_up: LinearLayer
    down: LinearLayer


class Llama(Network[LlamaConfig]):
    """A network of the Llama family, whose angles are float32; see `Network` for the arguments."""

    embeddings = "embed_tokens.weight"

    def build_layers(self, config: LlamaConfig, weights: Mapping[str, torch.Tensor]) -> None:
        """See `Network`."""
        self._final_norm = self._norm(weights, "norm")
        self._turns = config.rotary.table(config.max_positions, config.head_size, self.device)
        self._blocks = [
            self._block(weights, f"layers.{layer}", config) for layer in range(config.num_layers)
        ]

    @property
    def hidden_bound(self) -> torch.Tensor:
        """(D,) largest magnitude that each entry of a hidden state can have, for any text."""
        # A normed vector of D entries has none over sqrt(D).
        return self._final_norm.gain.abs() * self.config.hidden_size**0.5

    def forward(
        self,
        tokens: torch.Tensor,
        positions: torch.Tensor,
        attend: Attend,
        scales: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Hidden states after the last norm, (M, D) float32; see `LanguageModel`."""
        num_heads, size = self.config.num_heads, self.config.head_size
        parts = (num_heads, self.config.num_kv_heads, self.config.num_kv_heads)
        kernels, add_norm = self.kernels, self.kernels.add_rms_norm
        x = F.embedding(tokens, self.token_embeddings).float()
        turns = F.embedding(positions, self._turns)  # (M, d)
        added = None  # output of the last layer (M, D), not added to the stream x yet
        for layer, block in enumerate(self._blocks):
            qkv = block.qkv(add_norm(x, added, block.attention_norm, self.dtype))
            kernels.rotate(qkv, turns, parts[:2], block.head_norms)
            q, k, v = qkv.view(len(x), -1, size).split(parts, 1)  # (M, H or H_kv, d)
            heads = attend(layer, q, k, v)
            if scales is not None:
                heads = scale_parts(heads, scales[:, layer, :num_heads])
            added = block.attention_out(heads.to(self.dtype))
            inner = block.gate_up(add_norm(x, added, block.mlp_norm, self.dtype))
            added = block.down(self._gate(inner))
            if scales is not None:
                added = scale_parts(added, scales[:, layer, num_heads:])
        return add_norm(x, added, self._final_norm, torch.float32)

    def _gate(self, inner: torch.Tensor) -> torch.Tensor:
        """Activation of the first half of (M, 2 I), times the second half."""
        if self.config.activation == "silu":
            return self.kernels.silu_product(inner)
        gate, up = inner.float().chunk(2, -1)
        return (ACTIVATIONS[self.config.activation](gate) * up).to(inner.dtype)

    def _block(self, weights: Mapping[str, torch.Tensor], name: str, config: LlamaConfig) -> Block:
        attention, mlp = f"{name}.self_attn", f"{name}.mlp"
        head_norms = None
        if config.has_head_norms:
            gains = (weights[f"{attention}.{part}_norm.weight"] for part in "qk")
            query, key = (self.own(gain, torch.float32) for gain in gains)
            head_norms = HeadNorms(query, key, config.norm_epsilon)
        return Block(
            self._norm(weights, f"{name}.input_layernorm"),
            self.layer(*_joined(weights, *(f"{attention}.{part}" for part in _QKV))),
            head_norms,
            self.layer(*_joined(weights, f"{attention}.o_proj")),
            self._norm(weights, f"{name}.post_attention_layernorm"),
            self.layer(*_joined(weights, f"{mlp}.gate_proj", f"{mlp}.up_proj")),
            self.layer(*_joined(weights, f"{mlp}.down_proj")),
        )

    def _norm(self, weights: Mapping[str, torch.Tensor], name: str) -> RMSNorm:
        gain = self.own(weights[f"{name}.weight"], torch.float32)
        return RMSNorm(gain, self.config.norm_epsilon)


def _joined(
    weights: Mapping[str, torch.Tensor], *names: str
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Weights (outputs, inputs) and bias of linears of the same inputs, as one linear."""
    weight = torch.cat([weights[f"{name}.weight"] for name in names])
    biases = [weights[key] for name in names if (key := f"{name}.bias") in weights]
    return weight, torch.cat(biases) if biases else None


@lru_cache(maxsize=STORED_TABLES)
def _stored_turns(
    rotary: Rotary, num_tokens: int, head_size: int, device: torch.device
) -> torch.Tensor:
    """Angles (T, d) of texts of T tokens, made once for each T; see `Rotary.table`."""
    # The first text may be read in inference mode, whose tensors could not be used in training.
    with torch.inference_mode(False):
        return rotary.table(num_tokens, head_size, device)


def hidden_states(
    config: LlamaConfig, weights: Mapping[str, torch.Tensor], tokens: torch.Tensor
) -> torch.Tensor:
    """Hidden states (E, T, D) after the last norm of texts (E, T) int64, differentiable.

    Padding stands after a text, where causal attention keeps it from every real token.
    """

    def norm(x: torch.Tensor, name: str) -> torch.Tensor:
        gain = weights[f"{name}.weight"]
        return F.rms_norm(x, gain.shape, gain, config.norm_epsilon)

    def linear(x: torch.Tensor, name: str) -> torch.Tensor:
        return F.linear(x, weights[f"{name}.weight"], weights.get(f"{name}.bias"))

    turns = _stored_turns(config.rotary, tokens.shape[1], config.head_size, tokens.device)
    x = F.embedding(tokens, weights["embed_tokens.weight"])
    for layer in range(config.num_layers):
        name = f"layers.{layer}"
        attention, normed = f"{name}.self_attn", norm(x, f"{name}.input_layernorm")
        q, k, v = (
            linear(normed, f"{attention}.{part}").unflatten(-1, (-1, config.head_size))
            for part in _QKV
        )  # (E, T, H or H_kv, d)
        if config.has_head_norms:
            q, k = norm(q, f"{attention}.q_norm"), norm(k, f"{attention}.k_norm")
        q, k = turn(q, turns).to(v.dtype), turn(k, turns).to(v.dtype)
        groups = config.num_heads // config.num_kv_heads
        k, v = (part.repeat_interleave(groups, 2) for part in (k, v))
        q, k, v = (part.transpose(1, 2) for part in (q, k, v))
        heads = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + linear(heads.transpose(1, 2).flatten(2), f"{attention}.o_proj")
        normed = norm(x, f"{name}.post_attention_layernorm")
        gate = ACTIVATIONS[config.activation](linear(normed, f"{name}.mlp.gate_proj"))
        x = x + linear(gate * linear(normed, f"{name}.mlp.up_proj"), f"{name}.mlp.down_proj")
    return norm(x, "norm")


def _architecture(**differences: Any) -> Architecture:  # noqa: ANN401 - of `Member`
    return Architecture(
        network=Llama,
        parse_config=partial(parse_config, member=Member(**differences)),
        tensor_shapes=tensor_shapes,  # type: ignore[arg-type]  # of `parse_config`'s results
        hidden_states=hidden_states,  # type: ignore[arg-type]
        prefix="model.",
        embeddings=Llama.embeddings,
        layer="layers.{}.",
        attention_inputs=_QKV,
        buffers=re.compile(r"layers\.\d+\.self_attn\.rotary_emb\.inv_freq"),
    )


LLAMA = _architecture(bias_keys=BIASES)
MISTRAL = _architecture(window=4096)
QWEN2 = _architecture(qkv_bias=True, window_switch="use_sliding_window")
QWEN3 = _architecture(
    bias_keys=("attention_bias",),
    has_head_norms=True,
    head_dim=128,
    window_switch="use_sliding_window",
)
