"""Low-rank adapters: the weights stay frozen, small matrices beside them are trained.

Owns the use of peft, an optional dependency. Knows nothing of policies and of training.

Source: Hu et al. 2021, https://arxiv.org/abs/2106.09685.
"""

from dataclasses import dataclass

import torch
from torch import nn

from lm_envs.validation import check_choice, check_count, check_number

LAYERS = ("c_attn", "c_proj", "c_fc")
"""GPT-2's linear layers; the last layers of attention and of the perceptron are both c_proj."""

_BASE, _ADAPTER = ".base_layer", ".lora_"
"""Parts that peft inserts into names of parameters."""


@dataclass(frozen=True, slots=True)
class LoRA:
    """Options of the adapters.

    Attributes:
        rank: Rank of the matrix added to a layer's weights.
        alpha: The matrix is scaled by `alpha / rank`.
        layers: Adapted layers, some of `LAYERS`, in every block.

    Raises:
        ValueError: If a number is not over 0, or `layers` is empty or names an unknown layer.
    """

    rank: int = 8
    alpha: float = 16.0
    layers: tuple[str, ...] = ("c_attn",)

    def __post_init__(self) -> None:
        check_count("rank", self.rank)
        check_number("alpha", self.alpha)
        if not self.alpha > 0.0:
            raise ValueError(f"Got alpha={self.alpha!r}; allowed: over 0.")
        if not self.layers:
            raise ValueError(f"Got no layers to adapt; allowed: {', '.join(LAYERS)}.")
        for layer in self.layers:
            check_choice("layers", layer, LAYERS)

    def adapt(self, model: nn.Module) -> None:
        """Inserts adapters into a GPT-2; its outputs stay the same, and only they need gradients.

        Raises:
            ImportError: If peft is not installed.
        """
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
            target_modules=list(self.layers),
            fan_in_fan_out=True,
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
