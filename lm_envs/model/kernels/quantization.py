"""Rounding of vectors to int8 values with one scale for each vector.

Used for int8 weights and for int8 KV caches; knows nothing of either.
"""

import torch

ZERO_POINT = 128
"""The uint8 value that represents 0 in quantized activations, which are unsigned."""


def quantize_rows(vectors: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Rounds vectors (…, d), such as the rows of a weight, to int8.

    Returns:
        Values (…, d) int8 and scales (…,) float32; a value times the scale of its vector
        approximates the original number. The scale of a vector with a NaN or infinite entry is not
        finite, so that such an entry is not hidden.
    """
    numbers = vectors.float()
    scales = numbers.abs().amax(-1).clamp(min=1e-30) / 127.0  # 1e-30: a vector of zeros has a scale
    return (numbers / scales[..., None]).round_().to(torch.int8).contiguous(), scales
