"""Vectors as codes of 8 bits."""

import torch

ZERO_POINT = 128
"""What stands for 0 among the codes of rows, which are unsigned."""


def quantize_rows(vectors: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Codes (…, d) int8 of vectors (…, d), such as a weight's, and their scales (…,) float32.

    A code times its vector's scale is what it stands for. A scale is no finite number where one of
    the vector is none.
    """
    values = vectors.float()
    scales = values.abs().amax(-1).clamp(min=1e-30) / 127.0
    return (values / scales[..., None]).round_().to(torch.int8).contiguous(), scales
