"""GPT-2 as published: token and position embeddings, pre-norm blocks, tied output.

Owns the weights and the order of the arithmetic. Tokens arrive flat, (M,), because every part but
attention treats each token alone; who attends to whom is the caller's `Attend`. Knows nothing of
rows, caches, text or files.

Source: Radford et al. 2019, https://github.com/openai/gpt-2/blob/master/src/model.py
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch

from lm_envs.model.kernels.base import Product, kernels_for
from lm_envs.model.kernels.linear import Int8Linear, Linear
from lm_envs.model.kv_cache import Attend


@dataclass(frozen=True, slots=True)
class GPT2Config:
    """Shape of a GPT-2; the names are those of its `config.json`."""

    vocab_size: int
    n_positions: int
    n_embd: int
    n_layer: int
    n_head: int
    n_inner: int
    layer_norm_epsilon: float


class Norm(NamedTuple):
    """Layer norm in float32, whatever the type of the linears."""

    gain: torch.Tensor
    bias: torch.Tensor
    epsilon: float


@dataclass(frozen=True, slots=True)
class Block:
    """One layer: attention and a two-layer perceptron, each normed before and added after."""

    attention_norm: Norm
    qkv: Product
    attention_out: Product
    mlp_norm: Norm
    up: Product
    down: Product


class GPT2:
    """The network: flat token ids in, final hidden states out.

    The residual stream and the norms are float32; `dtype` is the type of the linears, whose factors
    may be rounded to 8 bits before they are multiplied.

    Attributes:
        config: Shape of the network.
        dtype: Type of the linears and the word embeddings.
        word_embeddings: (V, D) input embeddings in `dtype`; the output head shares them.
        final_norm: Norm after the last block; its gain and bias bound every hidden state.
        kernels: Who computes what is no matrix product.
    """

    def __init__(
        self,
        config: GPT2Config,
        weights: Mapping[str, torch.Tensor],
        dtype: torch.dtype,
        *,
        int8: bool = False,
    ) -> None:
        self.config = config
        self.dtype = dtype
        self._int8 = int8
        self.word_embeddings = _own(weights["wte.weight"], dtype)
        self.device = self.word_embeddings.device
        self.final_norm = self._norm(weights, "ln_f")
        self._position_embeddings = _own(weights["wpe.weight"], torch.float32)
        head_size = config.n_embd // config.n_head
        self.kernels = kernels_for(config.n_embd, head_size, dtype, self.device)
        self._blocks = [self._block(weights, f"h.{layer}") for layer in range(config.n_layer)]

    @property
    def hidden_bound(self) -> torch.Tensor:
        """(D,) largest magnitude that each hidden value can have, whatever the text."""
        norm = self.final_norm
        return norm.gain.abs() * self.config.n_embd**0.5 + norm.bias.abs()

    def forward(
        self,
        tokens: torch.Tensor,
        positions: torch.Tensor,
        attend: Attend,
        scales: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Hidden states after the last norm, (M, D) float32, of M tokens at their positions.

        Args:
            tokens: (M,) int64.
            positions: (M,) int64.
            attend: Who attends to whom.
            scales: (M, L, H + 1) float32, what each layer's H heads and its perceptron say to each
                token is multiplied by; None for 1.
        """
        num_heads, add_norm = self.config.n_head, self.kernels.add_norm
        x = self.kernels.embed(tokens, positions, self.word_embeddings, self._position_embeddings)
        added = None  # what the last layer says, (M, D), still to be added to the stream x
        for layer, block in enumerate(self._blocks):
            qkv = block.qkv(add_norm(x, added, block.attention_norm, self.dtype))
            q, k, v = qkv.view(len(x), 3, num_heads, -1).unbind(1)  # each (M, H, D / H)
            heads = attend(layer, q, k, v)
            if scales is not None:
                heads = _scaled(heads, scales[:, layer, :num_heads])
            added = block.attention_out(heads.to(self.dtype))
            added = block.down(block.up(add_norm(x, added, block.mlp_norm, self.dtype)))
            if scales is not None:
                added = _scaled(added, scales[:, layer, num_heads:])
        return add_norm(x, added, self.final_norm, torch.float32)

    def _block(self, weights: Mapping[str, torch.Tensor], name: str) -> Block:
        return Block(
            self._norm(weights, f"{name}.ln_1"),
            self._linear(weights, f"{name}.attn.c_attn"),
            self._linear(weights, f"{name}.attn.c_proj"),
            self._norm(weights, f"{name}.ln_2"),
            self._linear(weights, f"{name}.mlp.c_fc", gelu=True),
            self._linear(weights, f"{name}.mlp.c_proj"),
        )

    def _norm(self, weights: Mapping[str, torch.Tensor], name: str) -> Norm:
        gain, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
        gain, bias = (_own(values, torch.float32) for values in (gain, bias))
        return Norm(gain, bias, self.config.layer_norm_epsilon)

    def linear(
        self, weight: torch.Tensor, bias: torch.Tensor | None, *, gelu: bool = False
    ) -> Product:
        """A layer of weights (outputs, inputs) in this network's type."""
        weight = weight.to(self.dtype)
        own = self.kernels.linear(weight, bias, gelu=gelu, int8=self._int8)
        if own is not None:
            return own
        if self._int8:
            return Int8Linear(weight, bias, self.kernels, gelu=gelu)
        return Linear(weight, None if bias is None else _own(bias, self.dtype), gelu=gelu)

    def _linear(
        self, weights: Mapping[str, torch.Tensor], name: str, *, gelu: bool = False
    ) -> Product:
        weight = weights[f"{name}.weight"].t()  # GPT-2 keeps (inputs, outputs)
        return self.linear(weight, weights[f"{name}.bias"], gelu=gelu)


def _scaled(values: torch.Tensor, scales: torch.Tensor) -> torch.Tensor:
    """Values (M, D) in as many equal parts as there are scales (M, P), each times its own."""
    parts = values.unflatten(-1, (scales.shape[1], -1))
    return (parts * scales[..., None]).flatten(1).to(values.dtype)


def _own(values: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """A copy, so that the file it was mapped from may be closed, replaced or truncated."""
    return values.to(dtype, copy=True, memory_format=torch.contiguous_format)
