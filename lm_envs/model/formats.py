"""How slots keep a vector: what is stored of it, and what is read for it.

Knows nothing of rows, layers or positions.
"""

from collections.abc import Sequence

import torch


class Plain:
    """Vectors as they are.

    Args:
        dtype: Their type.

    Attributes:
        read_dtype: Type of what is read.
    """

    def __init__(self, dtype: torch.dtype) -> None:
        self.read_dtype = dtype

    def empty(self, shape: Sequence[int], device: torch.device) -> tuple[torch.Tensor, ...]:
        """Room for vectors of this shape (…, d), zeros so far."""
        return (torch.zeros(*shape, dtype=self.read_dtype, device=device),)

    def encode(self, vectors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """What is stored of vectors (…, d)."""
        return (vectors,)

    def decode(self, parts: Sequence[torch.Tensor]) -> torch.Tensor:
        """The vectors (…, d) that are read from what was stored."""
        return parts[0]
