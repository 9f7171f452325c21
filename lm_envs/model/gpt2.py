"""GPT-2 as published: token and position embeddings, pre-norm blocks, tied output.

Owns the weights, the order of the arithmetic, and the names of GPT-2's tensors and configuration.
Tokens arrive flat, (M,), because every part but attention treats each token alone; which tokens
each token sees is decided by the caller's `Attend`. Knows nothing of rows, caches, text or files.

Source: Radford et al. 2019, https://github.com/openai/gpt-2/blob/master/src/model.py
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from lm_envs.model.attention import Attend
from lm_envs.model.base import ModelConfig
from lm_envs.model.kernels.base import LayerNorm, LinearLayer
from lm_envs.model.kernels.linear import Int8Linear, Linear
from lm_envs.model.kernels.select import kernels_for
from lm_envs.validation import check_count, check_number

_SIZES = ("vocab_size", "n_positions", "n_embd", "n_layer", "n_head")
_FIXED_CONFIG = {
    "activation_function": "gelu_new",
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
    "add_cross_attention": False,
    "tie_word_embeddings": True,
}

HEAD, EMBEDDINGS = "lm_head.weight", "wte.weight"

_PREFIXES = re.compile(r"(module\.|_orig_mod\.|transformer\.)+")
"""Of DistributedDataParallel, torch.compile, and GPT-2 with a language-model head."""

_BUFFERS = re.compile(r"h\.\d+\.attn\.(bias|masked_bias)")
"""Causal masks, which early versions of transformers stored with the weights."""

_LARGEST_EPSILON = 1.0
"""Of `layer_norm_epsilon`: a larger one would flatten every hidden state."""


def check_config(values: Mapping[str, Any], source: str) -> None:
    """Refuses a `config.json` of another kind of network than GPT-2, or without its sizes.

    Args:
        values: The file's content.
        source: Name of the file, for messages.

    Raises:
        ValueError: Naming the key.
    """
    for key, needed in _FIXED_CONFIG.items():
        if values.get(key, needed) != needed:
            raise ValueError(
                f"Got {key}={values[key]!r} in {source}; only {key}={needed!r} is supported. "
                "Use a GPT-2 checkpoint (gpt2, gpt2-medium, gpt2-large, gpt2-xl, distilgpt2, …)."
            )
    for key in _SIZES:
        check_count(f"{source}: {key}", values.get(key))
    width, heads = values["n_embd"], values["n_head"]
    if width % heads:
        raise ValueError(f"Got n_embd={width} in {source}; allowed: a multiple of n_head={heads}.")
    if values.get("n_inner") is not None:
        check_count(f"{source}: n_inner", values["n_inner"])
    epsilon = values.get("layer_norm_epsilon", 1e-5)
    check_number(f"{source}: layer_norm_epsilon", epsilon)
    if not 0.0 < epsilon <= _LARGEST_EPSILON:
        raise ValueError(
            f"Got layer_norm_epsilon={epsilon!r} in {source}; allowed: over 0, up to "
            f"{_LARGEST_EPSILON}."
        )


def named_tensors(tensors: Mapping[str, torch.Tensor], source: str) -> dict[str, torch.Tensor]:
    """Returns a checkpoint's tensors by the names of `tensor_shapes`.

    Prefixes of wrappers and causal masks are dropped. A head that is equal to the token embeddings
    is dropped too, and stands for them where they are missing.

    Args:
        tensors: As read from the file.
        source: Name of the folder, for messages.

    Raises:
        ValueError: If two tensors have the same name, or the head is not tied to the embeddings.
    """
    found: dict[str, torch.Tensor] = {}
    for full_name, tensor in tensors.items():
        name = _PREFIXES.sub("", full_name, count=1) if _PREFIXES.match(full_name) else full_name
        if name in found:
            raise ValueError(
                f"Got two tensors {name!r} in {source}; allowed: one, with or without the prefix "
                "'transformer.'. Remove the one that was not trained last."
            )
        if not _BUFFERS.fullmatch(name):
            found[name] = tensor
    head = found.pop(HEAD, None)
    if head is not None and not torch.equal(head, found.setdefault(EMBEDDINGS, head)):
        raise ValueError(
            f"Got {HEAD!r} other than {EMBEDDINGS!r} in {source}; allowed: an output head that "
            "shares the token embeddings, as in GPT-2. Train with tie_word_embeddings=True."
        )
    return found


def to_model_config(values: Mapping[str, Any]) -> ModelConfig:
    """Translates the keys of a GPT-2's `config.json`."""
    return ModelConfig(
        vocab_size=values["vocab_size"],
        hidden_size=values["n_embd"],
        num_layers=values["n_layer"],
        num_heads=values["n_head"],
        num_kv_heads=values["n_head"],
        max_positions=values["n_positions"],
        intermediate_size=values.get("n_inner") or 4 * values["n_embd"],
        norm_epsilon=values.get("layer_norm_epsilon", 1e-5),
    )


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
    return shapes | {"ln_f.weight": (width,), "ln_f.bias": (width,)}


@dataclass(frozen=True, slots=True)
class Block:
    """One layer: attention and a two-layer perceptron, each normed before and added after."""

    attention_norm: LayerNorm
    qkv: LinearLayer
    attention_out: LinearLayer
    mlp_norm: LayerNorm
    up: LinearLayer
    down: LinearLayer


class GPT2:
    """GPT-2; see `lm_envs.model.base.LanguageModel`.

    The residual stream and the norms are float32; `dtype` is the type of the linears.

    Args:
        config: Shape of the network.
        weights: Tensors by the names of `tensor_shapes`; they are copied.
        dtype: Type of the linears and the token embeddings.
        int8: Round the weights and inputs of the linears to int8 before they are multiplied.

    Attributes:
        config: As given.
        dtype: As given.
        device: Device of the weights.
        token_embeddings: (V, D) input embeddings in `dtype`; the output head shares them.
        kernels: Operations other than linear layers.
    """

    def __init__(
        self,
        config: ModelConfig,
        weights: Mapping[str, torch.Tensor],
        dtype: torch.dtype,
        *,
        int8: bool = False,
    ) -> None:
        self.config = config
        self.dtype = dtype
        self._int8 = int8
        self.token_embeddings = _copy(weights["wte.weight"], dtype)
        self.device = self.token_embeddings.device
        self._final_norm = self._norm(weights, "ln_f")
        self._position_embeddings = _copy(weights["wpe.weight"], torch.float32)
        sizes = (config.hidden_size, config.head_size, config.intermediate_size)
        self.kernels = kernels_for(sizes, dtype, self.device)
        self._blocks = [self._block(weights, f"h.{layer}") for layer in range(config.num_layers)]

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
                heads = _scale(heads, scales[:, layer, :num_heads])
            added = block.attention_out(heads.to(self.dtype))
            added = block.down(block.up(add_norm(x, added, block.mlp_norm, self.dtype)))
            if scales is not None:
                added = _scale(added, scales[:, layer, num_heads:])
        return add_norm(x, added, self._final_norm, torch.float32)

    def linear(
        self, weight: torch.Tensor, bias: torch.Tensor | None, *, gelu: bool = False
    ) -> LinearLayer:
        """A layer of weights (outputs, inputs) in this network's type; see `LanguageModel`."""
        weight = weight.to(self.dtype)
        own = self.kernels.linear(weight, bias, gelu=gelu, int8=self._int8)
        if own is not None:
            return own
        if self._int8:
            return Int8Linear(weight, bias, self.kernels, gelu=gelu)
        return Linear(weight, None if bias is None else _copy(bias, self.dtype), gelu=gelu)

    def _block(self, weights: Mapping[str, torch.Tensor], name: str) -> Block:
        return Block(
            self._norm(weights, f"{name}.ln_1"),
            self._linear(weights, f"{name}.attn.c_attn"),
            self._linear(weights, f"{name}.attn.c_proj"),
            self._norm(weights, f"{name}.ln_2"),
            self._linear(weights, f"{name}.mlp.c_fc", gelu=True),
            self._linear(weights, f"{name}.mlp.c_proj"),
        )

    def _norm(self, weights: Mapping[str, torch.Tensor], name: str) -> LayerNorm:
        gain, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
        gain, bias = (_copy(values, torch.float32) for values in (gain, bias))
        return LayerNorm(gain, bias, self.config.norm_epsilon)

    def _linear(
        self, weights: Mapping[str, torch.Tensor], name: str, *, gelu: bool = False
    ) -> LinearLayer:
        weight = weights[f"{name}.weight"].t()  # checkpoints hold (inputs, outputs)
        return self.linear(weight, weights[f"{name}.bias"], gelu=gelu)


def _scale(outputs: torch.Tensor, scales: torch.Tensor) -> torch.Tensor:
    """Outputs (M, D) in P equal parts, each part times its scale of (M, P)."""
    parts = outputs.unflatten(-1, (scales.shape[1], -1))
    return (parts * scales[..., None]).flatten(1).to(outputs.dtype)


def _copy(values: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """A contiguous copy, so that the memory-mapped file may be closed, replaced or truncated."""
    return values.to(dtype, copy=True, memory_format=torch.contiguous_format)
