"""GPT-2 as published: token and position embeddings, pre-norm blocks, tied output.

Owns the order of the arithmetic, and the names of GPT-2's tensors and configuration. Variants
differ in the activation, the scale of attention, the perceptron's size and a head of their own.
Tokens arrive flat, (M,), because every part but attention treats each token alone; which tokens
each token sees is decided by the caller's `Attend`. Knows nothing of rows, caches, text or files.

Source: Radford et al. 2019, https://github.com/openai/gpt-2/blob/master/src/model.py
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F

from lm_envs.model.architectures.activations import ACTIVATIONS
from lm_envs.model.architectures.base import HEAD, Architecture
from lm_envs.model.architectures.config_values import (
    check_counts,
    check_fixed,
    get_activation,
    get_epsilon,
)
from lm_envs.model.architectures.network import Network, scale_parts
from lm_envs.model.attention import Attend
from lm_envs.model.base import ModelConfig
from lm_envs.model.kernels.base import LayerNorm, LinearLayer
from lm_envs.validation import check_count

_SIZES = ("vocab_size", "n_positions", "n_embd", "n_layer", "n_head")
_FLAGS = ("scale_attn_weights", "scale_attn_by_inverse_layer_idx", "tie_word_embeddings")


def parse_config(values: Mapping[str, Any], source: str) -> ModelConfig:
    """Translates a GPT-2's `config.json`.

    `reorder_and_upcast_attn` changes the precision of attention's scores only, which are float32
    here in any case.

    Args:
        values: The file's content.
        source: Name of the file, for messages.

    Raises:
        ValueError: If it is of another kind of network; the message names the key.
    """
    check_fixed(values, {"add_cross_attention": False}, source)
    check_counts(values, _SIZES, source)
    width, heads = values["n_embd"], values["n_head"]
    if width % heads:
        raise ValueError(f"Got n_embd={width} in {source}; allowed: a multiple of n_head={heads}.")
    if values.get("n_inner") is not None:
        check_count(f"{source}: n_inner", values["n_inner"])
    for key in _FLAGS:
        if values.get(key) not in (None, True, False):
            raise ValueError(f"Got {key}={values[key]!r} in {source}; allowed: true, false.")
    return ModelConfig(
        vocab_size=values["vocab_size"],
        hidden_size=width,
        num_layers=values["n_layer"],
        num_heads=heads,
        num_kv_heads=heads,
        max_positions=values["n_positions"],
        intermediate_size=values.get("n_inner") or 4 * width,
        norm_epsilon=get_epsilon(values, "layer_norm_epsilon", 1e-5, source),
        activation=get_activation(values, "activation_function", "gelu_new", source),
        is_tied=values.get("tie_word_embeddings") is not False,
        attention_scales=_attention_scales(values),
    )


def _attention_scales(values: Mapping[str, Any]) -> tuple[float, ...] | None:
    """Factor of each layer's scores beside 1 / sqrt(head size); None for 1."""
    by_layer = values.get("scale_attn_by_inverse_layer_idx", False)
    is_scaled = values.get("scale_attn_weights", True)
    if is_scaled and not by_layer:
        return None
    factor = 1.0 if is_scaled else (values["n_embd"] // values["n_head"]) ** 0.5
    return tuple(factor / (n + 1 if by_layer else 1) for n in range(values["n_layer"]))


def tensor_shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Shapes of the tensors of a checkpoint by name; weights of linears are (inputs, outputs)."""
    width, inner = config.hidden_size, config.intermediate_size
    shapes: dict[str, tuple[int, ...]] = {
        "wte.weight": (config.vocab_size, width),
        "wpe.weight": (config.max_positions, width),
    }
    for layer in range(config.num_layers):
        for norm, *linears in (
            ("ln_1", ("attn.c_attn", width, 3 * width), ("attn.c_proj", width, width)),
            ("ln_2", ("mlp.c_fc", width, inner), ("mlp.c_proj", inner, width)),
        ):
            shapes[f"h.{layer}.{norm}.weight"] = shapes[f"h.{layer}.{norm}.bias"] = (width,)
            for name, inputs, outputs in linears:
                shapes[f"h.{layer}.{name}.weight"] = (inputs, outputs)
                shapes[f"h.{layer}.{name}.bias"] = (outputs,)
    shapes |= {"ln_f.weight": (width,), "ln_f.bias": (width,)}
    return shapes if config.is_tied else shapes | {HEAD: (config.vocab_size, width)}


@dataclass(frozen=True, slots=True)
class Block:
    """One layer: attention and a two-layer perceptron, each normed before and added after."""

    attention_norm: LayerNorm
    qkv: LinearLayer
    attention_out: LinearLayer
    mlp_norm: LayerNorm
    up: LinearLayer
    down: LinearLayer


class GPT2(Network[ModelConfig]):
    """GPT-2; see `Network` for the arguments."""

    embeddings = "wte.weight"

    def build_layers(self, config: ModelConfig, weights: Mapping[str, torch.Tensor]) -> None:
        """See `Network`."""
        self._final_norm = self._norm(weights, "ln_f")
        self._position_embeddings = self.own(weights["wpe.weight"], torch.float32)
        self._blocks = [self._block(weights, layer) for layer in range(config.num_layers)]

    @property
    def hidden_bound(self) -> torch.Tensor:
        """(D,) largest magnitude that each entry of a hidden state can have, for any text."""
        norm = self._final_norm  # a normed vector of D entries has none over sqrt(D)
        return norm.gain.abs() * self.config.hidden_size**0.5 + norm.bias.abs()

    def forward(
        self,
        tokens: torch.Tensor,
        positions: torch.Tensor,
        attend: Attend,
        scales: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Hidden states after the last norm, (M, D) float32; see `LanguageModel`."""
        num_heads, add_norm = self.config.num_heads, self.kernels.add_norm
        x = self.kernels.embed(tokens, positions, self.token_embeddings, self._position_embeddings)
        added = None  # output of the last layer (M, D), not added to the stream x yet
        for layer, block in enumerate(self._blocks):
            qkv = block.qkv(add_norm(x, added, block.attention_norm, self.dtype))
            q, k, v = qkv.view(len(x), 3, num_heads, -1).unbind(1)  # (M, H, D / H) each
            heads = attend(layer, q, k, v)
            if scales is not None:
                heads = scale_parts(heads, scales[:, layer, :num_heads])
            added = block.attention_out(heads.to(self.dtype))
            added = block.down(block.up(add_norm(x, added, block.mlp_norm, self.dtype)))
            if scales is not None:
                added = scale_parts(added, scales[:, layer, num_heads:])
        return add_norm(x, added, self._final_norm, torch.float32)

    def _block(self, weights: Mapping[str, torch.Tensor], layer: int) -> Block:
        name = f"h.{layer}"
        return Block(
            self._norm(weights, f"{name}.ln_1"),
            self.layer(*self._qkv(weights, layer)),
            self.layer(*_linear(weights, f"{name}.attn.c_proj")),
            self._norm(weights, f"{name}.ln_2"),
            self.layer(*_linear(weights, f"{name}.mlp.c_fc"), is_activated=True),
            self.layer(*_linear(weights, f"{name}.mlp.c_proj")),
        )

    def _qkv(
        self, weights: Mapping[str, torch.Tensor], layer: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Weights and bias of the layer before attention; its scale is in those of the queries."""
        weight, bias = _linear(weights, f"h.{layer}.attn.c_attn")
        if self.config.attention_scales is None:
            return weight, bias
        factors = torch.ones_like(bias)
        factors[: self.config.hidden_size] = self.config.attention_scales[layer]
        return weight * factors[:, None], bias * factors

    def _norm(self, weights: Mapping[str, torch.Tensor], name: str) -> LayerNorm:
        gain, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
        gain, bias = (self.own(values, torch.float32) for values in (gain, bias))
        return LayerNorm(gain, bias, self.config.norm_epsilon)


def _linear(weights: Mapping[str, torch.Tensor], name: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights (outputs, inputs) and bias; checkpoints hold (inputs, outputs)."""
    return weights[f"{name}.weight"].t(), weights[f"{name}.bias"]


def hidden_states(
    config: ModelConfig, weights: Mapping[str, torch.Tensor], tokens: torch.Tensor
) -> torch.Tensor:
    """Hidden states (E, T, D) after the last norm of texts (E, T) int64, differentiable.

    Padding stands after a text, where causal attention keeps it from every real token.
    """

    def norm(x: torch.Tensor, name: str) -> torch.Tensor:
        gain, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
        return F.layer_norm(x, gain.shape, gain, bias, config.norm_epsilon)

    def linear(x: torch.Tensor, name: str) -> torch.Tensor:
        weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
        return torch.addmm(bias, x.flatten(0, 1), weight).unflatten(0, x.shape[:2])

    x = F.embedding(tokens, weights["wte.weight"])
    x = x + weights["wpe.weight"][: tokens.shape[1]]
    scales = config.attention_scales
    for layer in range(config.num_layers):
        name = f"h.{layer}"
        qkv = linear(norm(x, f"{name}.ln_1"), f"{name}.attn.c_attn")
        q, k, v = (
            part.unflatten(-1, (config.num_heads, -1)).transpose(1, 2) for part in qkv.chunk(3, -1)
        )  # (E, H, T, d)
        scale = None if scales is None else scales[layer] * config.head_size**-0.5
        heads = F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=scale)
        x = x + linear(heads.transpose(1, 2).flatten(2), f"{name}.attn.c_proj")
        inner = linear(norm(x, f"{name}.ln_2"), f"{name}.mlp.c_fc")
        # One operation, which keeps one tensor for its gradient.
        x = x + linear(ACTIVATIONS[config.activation](inner), f"{name}.mlp.c_proj")
    return norm(x, "ln_f")


ARCHITECTURE = Architecture(
    network=GPT2,
    parse_config=parse_config,
    tensor_shapes=tensor_shapes,
    hidden_states=hidden_states,
    prefix="transformer.",
    embeddings=GPT2.embeddings,
    layer="h.{}.",
    attention_inputs=("c_attn",),
    # Causal masks, which early versions of transformers stored with the weights.
    buffers=re.compile(r"h\.\d+\.attn\.(bias|masked_bias)"),
)
