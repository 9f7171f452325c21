"""Low-rank adapters: the weights stay frozen, small matrices beside them are trained.

Owns the use of peft, an optional dependency. Knows nothing of policies and of training.

Source: Hu et al. 2021, https://arxiv.org/abs/2106.09685.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

from lm_envs.validation import check_choice, check_count, check_number

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_BASE, _ADAPTER = ".base_layer", ".lora_"
"""Parts that peft inserts into names of parameters."""


@dataclass(frozen=True, slots=True)
class LoRA:
    """Options of the adapters.

    Attributes:
        rank: Rank of the matrix added to a layer's weights.
        alpha: The matrix is scaled by `alpha / rank`.
        layers: Adapted linear layers by name, in every block, such as c_attn of GPT-2 or q_proj of
            Llama; None for those that make queries, keys and values.

    Raises:
        ValueError: If a number is not over 0, or `layers` is empty.
    """

    rank: int = 8
    alpha: float = 16.0
    layers: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        check_count("rank", self.rank)
        check_number("alpha", self.alpha)
        if not self.alpha > 0.0:
            raise ValueError(f"Got alpha={self.alpha!r}; allowed: over 0.")
        if self.layers is not None and not self.layers:
            raise ValueError("Got no layers to adapt; name some, or leave layers out.")

    def adapt(self, model: "PreTrainedModel", default: tuple[str, ...]) -> None:
        """Inserts adapters into a model; its outputs stay the same, and only they need gradients.

        Args:
            model: The model.
            default: Layers to adapt where none are named.

        Raises:
            ImportError: If peft is not installed.
            ValueError: If the model has no linear layer of a name in `layers`.
        """
        # Configurations refer to this class, and every command loads them: importing transformers
        # at the top would cost each of them seconds.
        from transformers.pytorch_utils import Conv1D

        layers = default if self.layers is None else self.layers
        linears = {
            name.rpartition(".")[2]: isinstance(module, Conv1D)
            for name, module in model.base_model.named_modules()
            if isinstance(module, nn.Linear | Conv1D)
        }
        for layer in layers:
            check_choice("layers", layer, linears)
        try:
            from peft import LoraConfig, inject_adapter_in_model
        except ImportError:
            raise ImportError(
                "Got a lora without the package peft; install it with `pip install lm_envs[lora]`, "
                "or leave lora out."
            ) from None
        settings = LoraConfig(
            r=self.rank,
            lora_alpha=self.alpha,  # type: ignore[arg-type]  # declared as int, used as a float
            target_modules=list(layers),
            fan_in_fan_out=linears[layers[0]],  # GPT-2 stores weights (inputs, outputs)
        )
        inject_adapter_in_model(settings, model)


def merged_weights(model: nn.Module) -> dict[str, torch.Tensor]:
    """Returns a model's parameters by their original names, with the adapters added."""
    weights = {
        name.replace(_BASE, ""): tensor.detach()
        for name, tensor in model.state_dict().items()
        if _ADAPTER not in name
    }
    with torch.no_grad():
        for name, module in model.named_modules():
            delta = getattr(module, "get_delta_weight", None)
            if callable(delta):
                weights[f"{name}.weight"] = weights[f"{name}.weight"] + delta("default")
    return weights
