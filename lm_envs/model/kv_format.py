"""How slots keep a vector: what is stored of it, and what is read for it.

Owns the choice, by the type of what is stored. Knows nothing of rows, layers or positions.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import torch

from lm_envs.model.kernels.quantization import quantize_rows

CACHE_DTYPES: Mapping[str, torch.dtype | None] = {"auto": None, "int8": torch.int8}
"""Types that keys and values can be kept in, by name; None for that of the linears."""


class Format(Protocol):
    """What is stored of vectors of d numbers.

    Attributes:
        read_dtype: Type of what is read.
    """

    read_dtype: torch.dtype

    def empty(self, shape: Sequence[int], device: torch.device) -> tuple[torch.Tensor, ...]:
        """Room for vectors of this shape (…, d), zeros so far; its parts are (…, ·) each."""
        ...

    def encode(self, vectors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """What is stored of vectors (…, d)."""
        ...

    def decode(self, parts: Sequence[torch.Tensor]) -> torch.Tensor:
        """The vectors (…, d) that are read from what was stored."""
        ...


class Plain:
    """Vectors as they are, of one type."""

    def __init__(self, dtype: torch.dtype) -> None:
        self.read_dtype = dtype

    def empty(self, shape: Sequence[int], device: torch.device) -> tuple[torch.Tensor, ...]:
        """As `Format` says."""
        return (torch.zeros(*shape, dtype=self.read_dtype, device=device),)

    def encode(self, vectors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """As `Format` says."""
        return (vectors,)

    def decode(self, parts: Sequence[torch.Tensor]) -> torch.Tensor:
        """As `Format` says."""
        return parts[0]


class Codes:
    """Codes of 8 bits, and a scale for each vector: d + 4 bytes. Read in float32."""

    read_dtype = torch.float32

    def empty(self, shape: Sequence[int], device: torch.device) -> tuple[torch.Tensor, ...]:
        """As `Format` says."""
        codes = torch.zeros(*shape, dtype=torch.int8, device=device)
        return codes, torch.zeros(*shape[:-1], 1, device=device)

    def encode(self, vectors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """As `Format` says."""
        codes, scales = quantize_rows(vectors)
        return codes, scales[..., None]

    def decode(self, parts: Sequence[torch.Tensor]) -> torch.Tensor:
        """As `Format` says."""
        codes, scales = parts
        return codes * scales


def format_of(dtype: torch.dtype) -> Format:
    """The format that stores vectors in this type."""
    return Codes() if dtype == torch.int8 else Plain(dtype)
