"""What the networks share: copies of the weights, linear layers, and scales of their parts.

Owns the token embeddings, the weights of the output layer and the choice of kernels. Knows nothing
of layers or their tensor names.
"""

from collections.abc import Mapping
from typing import ClassVar, Generic, TypeVar

import torch

from lm_envs.model.architectures.activations import ACTIVATIONS, is_gelu_tanh
from lm_envs.model.architectures.base import HEAD
from lm_envs.model.base import ModelConfig
from lm_envs.model.kernels.base import LinearLayer
from lm_envs.model.kernels.linear import ActivatedLinear, Int8Linear, Linear
from lm_envs.model.kernels.select import kernels_for

Config = TypeVar("Config", bound=ModelConfig)


class Network(Generic[Config]):
    """Base of networks; `lm_envs.model.base.LanguageModel` describes the attributes.

    The residual stream and the norms are float32; `dtype` is the type of the linears. A subclass
    builds its layers in `build_layers`.

    Args:
        config: Shape of the network.
        weights: Tensors by the names of the architecture's `tensor_shapes`; they are copied.
        dtype: Type of the linears and the token embeddings.
        int8: Round the weights and inputs of the linears to int8 before they are multiplied.
        deterministic: On CUDA, use kernels where a row's bits do not depend on other rows.

    Attributes:
        embeddings: Name of the token embeddings in `weights`.
        tensors: The copies, as they are stored.
    """

    embeddings: ClassVar[str]

    def __init__(
        self,
        config: Config,
        weights: Mapping[str, torch.Tensor],
        dtype: torch.dtype,
        *,
        int8: bool = False,
        deterministic: bool = False,
    ) -> None:
        self.config: ModelConfig = config
        self.dtype, self._int8 = dtype, int8
        self.tensors: list[torch.Tensor] = []
        self.token_embeddings = self.own(weights[self.embeddings], dtype)
        head = weights.get(HEAD)
        self.head_weights = self.token_embeddings if head is None else self.own(head, dtype)
        self.unwritten_tokens: torch.Tensor | None = None
        self.device = self.token_embeddings.device
        sizes = (config.hidden_size, config.head_size, config.intermediate_size)
        self.kernels = kernels_for(sizes, dtype, self.device, deterministic)
        self.build_layers(config, weights)

    def build_layers(self, config: Config, weights: Mapping[str, torch.Tensor]) -> None:
        """Copies the weights other than embeddings and head; the last step of the constructor."""
        raise NotImplementedError

    def own(self, values: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        """A copy of a weight that is a part of this network."""
        copied = own_copy(values, dtype)
        self.tensors.append(copied)
        return copied

    def layer(
        self, weight: torch.Tensor, bias: torch.Tensor | None, *, is_activated: bool = False
    ) -> LinearLayer:
        """A linear layer that is a part of this network, with the config's activation or none."""
        layer = self.activated_linear(weight, bias) if is_activated else self.linear(weight, bias)
        self.tensors += layer.tensors
        return layer

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
        return Linear(weight, None if bias is None else own_copy(bias, self.dtype), gelu=gelu)

    def activated_linear(self, weight: torch.Tensor, bias: torch.Tensor | None) -> LinearLayer:
        """A layer as `linear`, followed by the activation of the config."""
        if is_gelu_tanh(self.config.activation):
            return self.linear(weight, bias, gelu=True)
        return ActivatedLinear(self.linear(weight, bias), ACTIVATIONS[self.config.activation])


def scale_parts(outputs: torch.Tensor, scales: torch.Tensor) -> torch.Tensor:
    """Outputs (M, D) in P equal parts, each part times its scale of (M, P)."""
    parts = outputs.unflatten(-1, (scales.shape[1], -1))
    return (parts * scales[..., None]).flatten(1).to(outputs.dtype)


def own_copy(values: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """A contiguous copy, so that the memory-mapped file may be closed, replaced or truncated."""
    return values.to(dtype, copy=True, memory_format=torch.contiguous_format)
