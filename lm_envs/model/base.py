"""What engines, tuning and observations need of a language model: a protocol and its shape.

Owns the neutral names, the check of a checkpoint's tensors, and the mode in which models compute.
Knows nothing of architectures: those of `lm_envs.model.architectures` translate their own
configurations and tensor names.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import ParamSpec, Protocol, TypeVar

import torch

from lm_envs.model.attention import Attend
from lm_envs.model.kernels.base import Kernels, LinearLayer

_STORED_DTYPES = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
"""Types of weights in files; they are converted to the type of computing."""

P = ParamSpec("P")
R = TypeVar("R")


def inference(function: Callable[P, R]) -> Callable[P, R]:
    """Makes a function compute without gradients, and in its own types inside a caller's autocast.

    Autocast would change the type of products only, so that numbers differ or types do not fit.
    """
    infer: Callable[P, R] = torch.inference_mode()(function)

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        # Asking takes 0.2 microseconds; leaving autocast would take 5 in every call.
        if not (torch.is_autocast_enabled("cpu") or torch.is_autocast_enabled("cuda")):
            return infer(*args, **kwargs)
        with torch.autocast("cpu", enabled=False), torch.autocast("cuda", enabled=False):
            return infer(*args, **kwargs)

    return call


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Shape of a decoder-only transformer.

    Attributes:
        vocab_size: V, number of token ids.
        hidden_size: D, size of a hidden state.
        num_layers: L.
        num_heads: H, query heads of a layer.
        num_kv_heads: Key and value heads of a layer.
        max_positions: Most tokens that the model reads at once.
        intermediate_size: Hidden units of a layer's perceptron.
        norm_epsilon: Added to the variance in every norm.
        head_dim: Size of a query, key or value where it is not D / H.
        mlp_matrices: Weight matrices of a layer's perceptron: 2, or 3 with a gate.
        activation: Of the perceptron, by its name in transformers.
        is_tied: Whether the token embeddings are the weights of the output layer.
        attention_scales: (L,) factors of the attention scores beside 1 / sqrt(head size); None
            for 1.
    """

    vocab_size: int
    hidden_size: int
    num_layers: int
    num_heads: int
    num_kv_heads: int
    max_positions: int
    intermediate_size: int
    norm_epsilon: float
    head_dim: int | None = None
    mlp_matrices: int = 2
    activation: str = "gelu_new"
    is_tied: bool = True
    attention_scales: tuple[float, ...] | None = None

    @property
    def head_size(self) -> int:
        """Size of a query, key or value: D / H, unless the checkpoint has its own."""
        return self.head_dim or self.hidden_size // self.num_heads

    @property
    def attention_weights(self) -> int:
        """Number of matrix weights of a layer's attention; biases do not count."""
        heads = self.num_heads + self.num_kv_heads  # queries and outputs; keys and values
        return 2 * self.hidden_size * self.head_size * heads

    @property
    def mlp_weights(self) -> int:
        """Number of matrix weights of a layer's perceptron."""
        return self.mlp_matrices * self.hidden_size * self.intermediate_size


class LanguageModel(Protocol):
    """A network: flat token ids in, final hidden states out.

    Tokens arrive flat, (M,), because every part but attention treats each token alone; `Attend`
    decides which tokens each token sees.

    Attributes:
        config: Shape of the network.
        dtype: Type of the linears and the token embeddings.
        device: Device of the weights.
        token_embeddings: (V, D) in `dtype`.
        head_weights: (V, D) in `dtype`, weights of the output layer; the token embeddings where
            the two are tied.
        unwritten_tokens: (S,) int64 ids whose probability is 0, such as padding; None for none.
        kernels: Operations other than linear layers.
        tensors: All weights as they are stored; those of a network of the same shape, type and
            device can be copied into them, one by one.
    """

    config: ModelConfig
    dtype: torch.dtype
    device: torch.device
    token_embeddings: torch.Tensor
    head_weights: torch.Tensor
    unwritten_tokens: torch.Tensor | None
    kernels: Kernels
    tensors: list[torch.Tensor]

    @property
    def hidden_bound(self) -> torch.Tensor:
        """(D,) largest magnitude that each entry of a hidden state can have, for any text."""
        ...

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
            attend: Attention of the tokens to each other and to a cache.
            scales: (M, L, H + 1) float32, factors of what each layer's H heads and its perceptron
                add for each token; None for 1.
        """
        ...

    def linear(
        self, weight: torch.Tensor, bias: torch.Tensor | None, *, gelu: bool = False
    ) -> LinearLayer:
        """A layer of weights (outputs, inputs), computed in `dtype` with this model's kernels."""
        ...


def for_sums(model: LanguageModel, values: torch.Tensor) -> torch.Tensor:
    """`values` where PyTorch may sum them for a model: on the host if its rows are to be alone.

    On a GPU PyTorch divides a sum among threads by the shape of all values, other rows included.
    """
    return values.cpu() if model.kernels.is_row_invariant else values


def check_tensors(
    tensors: Mapping[str, torch.Tensor], shapes: Mapping[str, tuple[int, ...]], folder: Path
) -> None:
    """Checks that tensors are those of a model, by name, shape and type, and finite.

    Args:
        tensors: As read from a file, by name.
        shapes: Of all tensors of the model, by name.
        folder: Of the file, for messages.

    Raises:
        ValueError: Naming the tensor.
    """
    for name, shape in shapes.items():
        if name not in tensors:
            raise ValueError(
                f"Got {folder} without tensor {name!r}; allowed: a complete checkpoint."
            )
        if tuple(tensors[name].shape) != shape:
            got = tuple(tensors[name].shape)
            raise ValueError(f"Got {name!r} of shape {got} in {folder}; config.json asks {shape}.")
        if tensors[name].dtype not in _STORED_DTYPES:
            allowed = ", ".join(str(dtype).removeprefix("torch.") for dtype in _STORED_DTYPES)
            raise ValueError(
                f"Got {name!r} of type {tensors[name].dtype} in {folder}; allowed: {allowed}. Save "
                "the model again in one of them."
            )
        if not torch.isfinite(tensors[name]).all():
            raise ValueError(
                f"Got NaN or infinite values in {name!r} of {folder}; such a model writes noise. "
                "Use an earlier checkpoint."
            )
    unknown = sorted(tensors.keys() - shapes.keys())
    if unknown:
        more = f" and {len(unknown) - 3} more" if len(unknown) > 3 else ""
        raise ValueError(
            f"Got tensors {', '.join(map(repr, unknown[:3]))}{more} in {folder}, which the model "
            "of config.json does not have; allowed: only its own. Use the config.json that was "
            "saved with them (n_layer, adapters merged), or remove them."
        )
