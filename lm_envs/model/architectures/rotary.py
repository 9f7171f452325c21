"""Rotary positions: how far each pair of a head's numbers is turned at each position.

Owns the frequencies and how a `config.json` writes them. Knows nothing of heads or attention.

Source: Su et al. 2021, https://arxiv.org/abs/2104.09864.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from lm_envs.validation import check_number

_LLAMA3_KEYS = (
    *("factor", "low_freq_factor", "high_freq_factor"),
    "original_max_position_embeddings",
)


@dataclass(frozen=True, slots=True)
class LongContext:
    """Llama 3's scaling of the frequencies for contexts longer than those of its pretraining.

    Attributes:
        factor: Divides low frequencies.
        low_freq_factor: Wavelengths over `original_positions` / this are long.
        high_freq_factor: Wavelengths under `original_positions` / this are short, and stay.
        original_positions: Longest text of the pretraining, in tokens.
    """

    factor: float
    low_freq_factor: float
    high_freq_factor: float
    original_positions: float

    def scale(self, frequencies: torch.Tensor) -> torch.Tensor:
        """Scaled frequencies (d / 2,), in radians per token.

        Source: https://github.com/meta-llama/llama-models, `apply_scaling` of Llama 3.1.
        """
        lengths = 2 * math.pi / frequencies
        low, high = self.low_freq_factor, self.high_freq_factor
        smooth = (self.original_positions / lengths - low) / (high - low)
        between = (1 - smooth) * frequencies / self.factor + smooth * frequencies
        scaled = torch.where(
            lengths > self.original_positions / low, frequencies / self.factor, between
        )
        return torch.where(lengths < self.original_positions / high, frequencies, scaled)


@dataclass(frozen=True, slots=True)
class Rotary:
    """Frequencies of rotary positions.

    Attributes:
        theta: The base: pair i of a head of size d turns by theta^(-2 i / d) radians a token.
        long_context: Scaling of the frequencies; None for none.
    """

    theta: float = 10_000.0
    long_context: LongContext | None = None

    def table(self, positions: int, size: int, device: torch.device) -> torch.Tensor:
        """Cosines, then sines of the angles of each position: (P, d) float32 of heads of size d."""
        places = torch.arange(0, size, 2, dtype=torch.float32) / size
        frequencies = 1.0 / self.theta**places
        if self.long_context is not None:
            frequencies = self.long_context.scale(frequencies)
        angles = torch.arange(positions, dtype=torch.float32)[:, None] * frequencies
        return torch.cat([angles.cos(), angles.sin()], -1).to(device)


def parse_rotary(values: Mapping[str, Any], source: str) -> Rotary:
    """Reads rotary positions from a `config.json` of transformers 4 or 5.

    Version 4 writes `rope_theta` and `rope_scaling`, version 5 `rope_parameters`.

    Raises:
        ValueError: If the kind of scaling is not supported, or a number is not over 0.
    """
    key = "rope_parameters" if values.get("rope_parameters") else "rope_scaling"
    given = values.get(key) or {}
    if not isinstance(given, Mapping):
        raise ValueError(f"Got {key}={given!r} in {source}; allowed: an object, or null.")
    kind = given.get("rope_type", given.get("type", "default"))
    if kind not in ("default", "llama3"):
        raise ValueError(
            f"Got {key} of type {kind!r} in {source}; allowed: 'default', 'llama3'. Use a "
            "checkpoint with one of them, such as one without extended context."
        )
    partial = given.get("partial_rotary_factor", values.get("partial_rotary_factor"))
    if partial not in (None, 1.0):
        raise ValueError(
            f"Got partial_rotary_factor={partial!r} in {source}; only 1.0 is supported. Use a "
            "checkpoint whose heads are turned whole."
        )
    theta = given.get("rope_theta", values.get("rope_theta", 10_000.0))
    base = _positive(theta, f"{source}: rope_theta")
    if kind == "default":
        return Rotary(base)
    scaling = [_positive(given.get(name), f"{source}: {key}.{name}") for name in _LLAMA3_KEYS]
    if scaling[1] >= scaling[2]:
        raise ValueError(
            f"Got {key} with low_freq_factor={scaling[1]} in {source}; allowed: less than "
            f"high_freq_factor={scaling[2]}."
        )
    return Rotary(base, LongContext(*scaling))


def _positive(value: Any, name: str) -> float:  # noqa: ANN401 - a value of a JSON file
    check_number(name, value)
    if not value > 0:
        raise ValueError(f"Got {name}={value!r}; allowed: over 0.")
    return float(value)
