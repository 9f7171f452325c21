"""Weights as codes of 8 bits."""

import torch

CODE_OF_ZERO = 128
"""What stands for 0 among the codes of rows, which are unsigned."""


def codes_of(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Codes (outputs, inputs) int8 of weights, and the outputs' scales (outputs,) float32.

    A code times its output's scale is what it stands for.
    """
    values = weight.float()
    scales = values.abs().amax(1).clamp(min=1e-30) / 127.0
    return (values / scales[:, None]).round().to(torch.int8).contiguous(), scales
