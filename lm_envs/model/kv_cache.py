"""Static KV cache: row i of the batch owns slot i for life.

Owns the key and value buffers and the format of the stored vectors. Knows nothing of tokens, text
or episodes; which positions of a slot count is decided in `lm_envs.model.attention`.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import torch

from lm_envs.model.kernels.quantization import quantize_rows

BLOCK = 16
"""Attention reads slots in blocks of this many positions."""

CACHE_DTYPES: Mapping[str, torch.dtype | None] = {"auto": None, "int8": torch.int8}
"""Types of stored keys and values by name; None stands for the type of the model's linears."""


def round_up(value: int, multiple: int = BLOCK) -> int:
    """The smallest multiple that is at least `value`."""
    return -(-value // multiple) * multiple


class Format(Protocol):
    """How vectors of d numbers are stored: as one or more tensors.

    Attributes:
        read_dtype: Type of decoded vectors.
    """

    read_dtype: torch.dtype

    def allocate(self, shape: Sequence[int], device: torch.device) -> tuple[torch.Tensor, ...]:
        """Tensors of zeros, (…, ·) each, that store vectors of this shape (…, d)."""
        ...

    def encode(self, vectors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The stored form of vectors (…, d)."""
        ...

    def decode(self, parts: Sequence[torch.Tensor]) -> torch.Tensor:
        """Vectors (…, d) from their stored form."""
        ...


class FloatFormat:
    """Stores vectors unchanged, in one floating type."""

    def __init__(self, dtype: torch.dtype) -> None:
        self.read_dtype = dtype

    def allocate(self, shape: Sequence[int], device: torch.device) -> tuple[torch.Tensor, ...]:
        """One tensor (…, d)."""
        return (torch.zeros(*shape, dtype=self.read_dtype, device=device),)

    def encode(self, vectors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The vectors themselves."""
        return (vectors,)

    def decode(self, parts: Sequence[torch.Tensor]) -> torch.Tensor:
        """The stored tensor itself."""
        return parts[0]


class Int8Format:
    """Stores int8 values and one float32 scale for each vector: d + 4 bytes. Decodes to float32."""

    read_dtype = torch.float32

    def allocate(self, shape: Sequence[int], device: torch.device) -> tuple[torch.Tensor, ...]:
        """Values (…, d) int8 and scales (…, 1) float32."""
        values = torch.zeros(*shape, dtype=torch.int8, device=device)
        return values, torch.zeros(*shape[:-1], 1, device=device)

    def encode(self, vectors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Rounds each vector to its own scale."""
        values, scales = quantize_rows(vectors)
        return values, scales[..., None]

    def decode(self, parts: Sequence[torch.Tensor]) -> torch.Tensor:
        """Values times scales."""
        values, scales = parts
        return values * scales


def get_format(dtype: torch.dtype) -> Format:
    """The format that stores vectors in this type."""
    return Int8Format() if dtype == torch.int8 else FloatFormat(dtype)


class KVCache:
    """Keys and values of N rows: for L layers, H heads and C positions a vector of d numbers each.

    Allocated once; decoding writes in place. C is the capacity in whole blocks.

    Args:
        num_layers: L.
        num_rows: N.
        num_heads: H.
        head_size: d.
        capacity: Most tokens in a row.
        dtype: Type of the stored vectors: that of the model's linears, or int8. Attention reads
            the stored, rounded vectors, also those of the token that is being computed.
        device: Device of the buffers.

    Attributes:
        num_rows: N.
        capacity: C.
        dtype: As given.
        device: As given.
        layers: For each layer the stored tensors of its keys, followed by those of its values,
            (N, H, C, ·) each. They are views of the buffers and never move, so that kernels may
            keep writing to them.
    """

    def __init__(
        self,
        *,
        num_layers: int,
        num_rows: int,
        num_heads: int,
        head_size: int,
        capacity: int,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self.num_rows, self._num_heads, self.capacity = num_rows, num_heads, round_up(capacity)
        self.dtype, self.device, self._format = dtype, device, get_format(dtype)
        shape = (2, num_layers, num_rows, num_heads, self.capacity, head_size)
        self._buffers = self._format.allocate(shape, device)
        self.layers = [
            tuple(buffer[kind, layer] for kind in (0, 1) for buffer in self._buffers)
            for layer in range(num_layers)
        ]

    @property
    def read_dtype(self) -> torch.dtype:
        """Type of the vectors that `read` returns."""
        return self._format.read_dtype

    @property
    def num_bytes(self) -> int:
        """Memory of all keys and values, in bytes."""
        return sum(buffer.nbytes for buffer in self._buffers)

    def slot_mapping(self, rows: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """Indices (M H,) int64 at which `write` stores the vectors of M tokens, head after head.

        Args:
            rows: (M,) int64 row of each token.
            positions: (M,) int64 position of each token in its row.
        """
        heads = torch.arange(self._num_heads, device=rows.device)
        slots = rows[:, None] * self._num_heads + heads  # (M, H)
        return (slots * self.capacity + positions[:, None]).view(-1)

    def write(
        self, layer: int, slot_mapping: torch.Tensor, keys: torch.Tensor, values: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Stores keys and values (M, H, d) of M tokens at the indices of `slot_mapping` (M H,).

        Returns:
            Keys and values as `read` returns them from now on.
        """
        stored = [self._format.encode(vectors) for vectors in (keys, values)]
        for part, new in zip(self.layers[layer], (*stored[0], *stored[1]), strict=True):
            flat = (-1, part.shape[-1])
            part.view(flat).index_copy_(0, slot_mapping, new.reshape(flat))
        return self._format.decode(stored[0]), self._format.decode(stored[1])

    def read(
        self, layer: int, context_len: int, rows: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys and values (R, H, context_len, d) of leading positions, of `rows` (R,) or of all."""
        parts = [part[:, :, :context_len] for part in self.layers[layer]]
        if rows is not None:
            parts = [part.index_select(0, rows) for part in parts]
        half = len(parts) // 2
        return self._format.decode(parts[:half]), self._format.decode(parts[half:])

    def as_stored(self, vectors: torch.Tensor) -> torch.Tensor:
        """Keys or values (…, d) as `read` would return them after `write`."""
        return self._format.decode(self._format.encode(vectors))

    def read_slots(self, slots: torch.Tensor) -> list[torch.Tensor]:
        """Copies (2, L, H, M, ·) of what is stored at the indices `slots` (H, M), see `write`."""
        return [
            flat.index_select(2, slots.flatten()).unflatten(2, slots.shape)
            for flat in self._flat_buffers()
        ]

    def write_slots(self, slots: torch.Tensor, parts: Sequence[torch.Tensor]) -> None:
        """Overwrites what is stored at the indices `slots` (H, M) with parts of `read_slots`."""
        for flat, part in zip(self._flat_buffers(), parts, strict=True):
            flat.index_copy_(2, slots.flatten(), part.flatten(2, 3))

    def _flat_buffers(self) -> list[torch.Tensor]:
        """Views (2, L, N H C, ·) of the buffers, where `slot_mapping` counts."""
        return [buffer.flatten(2, 4) for buffer in self._buffers]

    def get_prefix(self, row: int, length: int) -> tuple[torch.Tensor, ...]:
        """Views (2, L, H, P, ·) of what is stored for the first P = `length` positions of a row."""
        return tuple(buffer[:, :, row, :, :length] for buffer in self._buffers)

    def set_prefix(self, row: int, prefix: Sequence[torch.Tensor]) -> None:
        """Overwrites the first positions of a row with what `get_prefix` returned for another."""
        views = self.get_prefix(row, prefix[0].shape[-2])
        for view, stored in zip(views, prefix, strict=True):
            view.copy_(stored)
