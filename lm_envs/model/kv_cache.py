"""Static KV slots: row i of the batch owns slot i for life.

Owns the key and value buffers and the ways to attend to them. Knows nothing of tokens, text or
episodes; how much of a slot is live is told by positions.
"""

from collections.abc import Sequence
from typing import Protocol

import torch
import torch.nn.functional as F

from lm_envs.model.kv_format import format_of

BLOCK = 16
"""Attention reads slots in blocks of this many positions."""


FEW = 4
"""Fewer queries than this take another kernel on CPU, which sums in another order."""


def round_up(value: int, multiple: int = BLOCK) -> int:
    """The smallest multiple that is no less than a value."""
    return -(-value // multiple) * multiple


class Attend(Protocol):
    """Decides which earlier tokens each token sees, and remembers keys and values if it likes."""

    def __call__(
        self, layer: int, queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor
    ) -> torch.Tensor:
        """Attention output (M, D) of one block from (M, H, D / H) queries, keys and values."""
        ...


class KVCache:
    """Keys and values of N rows: of L layers, H heads and C positions, vectors of d numbers each.

    Allocated once; decoding writes in place. C is the capacity in whole blocks.

    Args:
        dtype: What they are kept in: the type of the linears, or int8 for codes of 8 bits, which
            everybody who attends to the slots reads, a token its own key and value too.

    Attributes:
        num_rows: N.
        capacity: C.
        dtype: As given.
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
        self.dtype, self._format = dtype, format_of(dtype)
        shape = (2, num_layers, num_rows, num_heads, self.capacity, head_size)
        self._parts = self._format.empty(shape, device)

    @property
    def read_dtype(self) -> torch.dtype:
        """Type of the vectors that `read` gives."""
        return self._format.read_dtype

    @property
    def num_bytes(self) -> int:
        """Memory of all keys and values."""
        return sum(part.nbytes for part in self._parts)

    def parts(self, layer: int) -> list[torch.Tensor]:
        """What is kept of a layer's keys, and then of its values: (N, H, C, ·) each."""
        return [part[kind, layer] for kind in (0, 1) for part in self._parts]

    def slot_mapping(self, rows: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """Where the vectors of M tokens go, head after head: (M H,) int64, for `write`.

        Args:
            rows: (M,) int64 whose slot.
            positions: (M,) int64.
        """
        heads = torch.arange(self._num_heads, device=rows.device)
        slots = rows[:, None] * self._num_heads + heads  # (M, H)
        return (slots * self.capacity + positions[:, None]).view(-1)

    def write(
        self, layer: int, places: torch.Tensor, keys: torch.Tensor, values: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Keeps keys and values (M, H, d) of M tokens at their `places` (M H,).

        Returns:
            Both as `read` gives them from now on.
        """
        kept = [self._format.encode(new) for new in (keys, values)]
        for part, new in zip(self.parts(layer), (*kept[0], *kept[1]), strict=True):
            flat = (-1, part.shape[-1])
            part.view(flat).index_copy_(0, places, new.reshape(flat))
        return self._format.decode(kept[0]), self._format.decode(kept[1])

    def read(
        self, layer: int, context_len: int, rows: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys and values (R, H, context_len, d) of the first positions of `rows` (R,), or of all."""
        parts = [part[:, :, :context_len] for part in self.parts(layer)]
        if rows is not None:
            parts = [part.index_select(0, rows) for part in parts]
        half = len(parts) // 2
        return self._format.decode(parts[:half]), self._format.decode(parts[half:])

    def as_kept(self, vectors: torch.Tensor) -> torch.Tensor:
        """What `read` would give for some keys or values (…, d)."""
        return self._format.decode(self._format.encode(vectors))

    def of(self, row: int, length: int) -> tuple[torch.Tensor, ...]:
        """What is kept of the first P = `length` positions of a row: views (2, L, H, P, ·)."""
        return tuple(part[:, :, row, :, :length] for part in self._parts)

    def put(self, row: int, kept: Sequence[torch.Tensor]) -> None:
        """Lets the first positions of a row hold what `of` gave of another."""
        for part, new in zip(self.of(row, kept[0].shape[-2]), kept, strict=True):
            part.copy_(new)


class DecodeAttention:
    """Attention of one new token per row, at `positions`, to its slot up to and with itself.

    Args:
        slots: Where keys and values context_len; this token's are written at its position.
        positions: (N,) int64, on the slots' device.
        context_len: How many leading positions to read; more than every position.
    """

    def __init__(self, slots: KVCache, positions: torch.Tensor, context_len: int) -> None:
        device = positions.device
        self._slots, self._live = slots, context_len
        self._slot_mapping = slots.slot_mapping(
            torch.arange(slots.num_rows, device=device), positions
        )
        is_hidden = (
            torch.arange(context_len, device=device) > positions[:, None]
        )  # (N, context_len)
        self._bias = torch.zeros(is_hidden.shape, dtype=slots.read_dtype, device=device)
        self._bias.masked_fill_(is_hidden, -torch.inf)
        self._bias = self._bias[:, None, None]  # (N, 1, 1, context_len)

    def __call__(
        self, layer: int, queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor
    ) -> torch.Tensor:
        """Writes (N, H, d) keys and values, returns (N, D)."""
        self._slots.write(layer, self._slot_mapping, keys, values)
        context_keys, context_values = self._slots.read(layer, self._live)  # (N, H, context_len, d)
        attend = _by_products if context_keys.dtype == torch.float32 else _fused
        queries = queries[:, :, None].to(context_keys.dtype)
        return attend(queries, context_keys, context_values, self._bias).flatten(1)


def _by_products(
    queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, bias: torch.Tensor
) -> torch.Tensor:
    """Attention (N, H, 1, d) as two batched vector-matrix products.

    In float32 on CPU as fast as `scaled_dot_product_attention`, whose kernel is made for many
    queries, or up to 3 times faster; in bfloat16 slower than that.
    """
    num_rows, num_heads, context_len, head_size = keys.shape
    scaled = (queries * head_size**-0.5).reshape(num_rows * num_heads, 1, head_size)
    scores = torch.bmm(scaled, keys.flatten(0, 1).mT).view(num_rows, num_heads, 1, context_len)
    weights = (scores + bias).softmax(-1).view(num_rows * num_heads, 1, context_len)
    return torch.bmm(weights, values.flatten(0, 1)).view(queries.shape)


def _fused(
    queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, bias: torch.Tensor
) -> torch.Tensor:
    """The same by the device's kernel, in which sums are float32."""
    return F.scaled_dot_product_attention(queries, keys, values, attn_mask=bias)


class PrefillAttention:
    """Causal attention inside R padded prompts of T tokens, written to the slots of `rows`.

    Padding stands after the prompt, so no real token ever sees it, and decoding overwrites it
    before reading that far.

    Args:
        slots: Where keys and values context_len, or None to remember nothing.
        rows: (R,) int64 slots to write, on the slots' device.
        width: T, positions per prompt.
    """

    def __init__(self, slots: KVCache | None, rows: torch.Tensor, width: int) -> None:
        self._slots, self._shape = slots, (len(rows), width)
        if slots is not None:
            positions = torch.arange(width, device=rows.device).repeat(len(rows))
            self._slot_mapping = slots.slot_mapping(rows.repeat_interleave(width), positions)

    def __call__(
        self, layer: int, queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor
    ) -> torch.Tensor:
        """(R T, H, d) queries, keys and values -> (R T, D)."""
        if self._slots is not None:
            keys, values = self._slots.write(layer, self._slot_mapping, keys, values)
        q, k, v = (
            x.to(queries.dtype).unflatten(0, self._shape).transpose(1, 2)
            for x in (queries, keys, values)
        )  # (R, H, T, d)
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True)  # (R, H, T, d)
        return attended.transpose(1, 2).reshape(len(queries), -1)


class ExtendAttention:
    """Attention of further tokens of R rows to their slots, up to and with themselves.

    The tokens come flat, row after row, and their keys and values are written first.

    Args:
        slots: Where keys and values context_len.
        rows: (R,) int64 slots to write and read, on the slots' device.
        starts: (R,) int64 position of each row's first token.
        sizes: (R,) int64 tokens of each row; M in all.
        context_len: How many leading positions to read; more than every position.
    """

    def __init__(
        self,
        slots: KVCache,
        rows: torch.Tensor,
        starts: torch.Tensor,
        sizes: torch.Tensor,
        context_len: int,
    ) -> None:
        self._slots, self._rows, self._live = slots, rows, context_len
        device, width = rows.device, round_up(int(sizes.max()), FEW)
        places = torch.arange(width, device=device)
        positions = starts[:, None] + places  # (R, T)
        self._is_real = places < sizes[:, None]  # (R, T)
        self._slot_mapping = slots.slot_mapping(
            rows.repeat_interleave(sizes), positions[self._is_real]
        )
        is_hidden = (
            torch.arange(context_len, device=device) > positions[..., None]
        )  # (R, T, context_len)
        self._bias = torch.zeros(is_hidden.shape, device=device)
        self._bias.masked_fill_(is_hidden, -torch.inf)

    def __call__(
        self, layer: int, queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor
    ) -> torch.Tensor:
        """(M, H, d) queries, keys and values -> (M, D) float32."""
        self._slots.write(layer, self._slot_mapping, keys, values)
        scaled = queries.float() * queries.shape[-1] ** -0.5
        padded = scaled.new_zeros(*self._is_real.shape, *scaled.shape[1:])  # (R, T, H, d)
        padded[self._is_real] = scaled
        context_keys, context_values = self._slots.read(layer, self._live, self._rows)
        scores = padded.transpose(1, 2) @ context_keys.float().mT  # of keys (R, H, context_len, d)
        weights = (scores + self._bias[:, None]).softmax(-1)  # (R, H, T, context_len)
        attended = weights @ context_values.float()  # (R, H, T, d)
        return attended.transpose(1, 2)[self._is_real].flatten(1)


class OptionAttention:
    """Attention of O possible lines of T tokens per row to the row's slot and causally to itself.

    The slots stay as they are: what each line would add is forgotten.

    Args:
        slots: Where the keys and values of the text so far context_len.
        rows: (R,) int64 slots to read, on the slots' device.
        lengths: (R,) int64 tokens in each of them.
        context_len: How many leading positions to read; at least every length.
        shape: (O, T).
    """

    def __init__(
        self,
        slots: KVCache,
        rows: torch.Tensor,
        lengths: torch.Tensor,
        context_len: int,
        shape: tuple[int, int],
    ) -> None:
        self._slots, self._rows, self._live, self._shape = slots, rows, context_len, shape
        device, width = rows.device, shape[1]
        is_past_end = (
            torch.arange(context_len, device=device) >= lengths[:, None]
        )  # (R, context_len)
        self._past_bias = torch.zeros(is_past_end.shape, device=device)
        self._past_bias.masked_fill_(is_past_end, -torch.inf)
        future = torch.ones(width, width, dtype=torch.bool, device=device).triu(1)
        self._own_bias = torch.zeros(width, width, device=device)
        self._own_bias.masked_fill_(future, -torch.inf)

    def __call__(
        self, layer: int, queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor
    ) -> torch.Tensor:
        """(R O T, H, d) queries, keys and values -> (R O T, D) float32."""
        lines, width = self._shape
        q, k, v = (
            x.float().view(len(self._rows), lines, width, *x.shape[1:]).permute(0, 3, 1, 2, 4)
            for x in (queries, self._slots.as_kept(keys), self._slots.as_kept(values))
        )  # (R, H, O, T, d)
        past_keys, past_values = (
            past.float() for past in self._slots.read(layer, self._live, self._rows)
        )  # (R, H, context_len, d)
        q = q * q.shape[-1] ** -0.5
        past = (
            q.flatten(2, 3) @ past_keys.mT + self._past_bias[:, None, None]
        )  # (R, H, O T, context_len)
        own = q @ k.mT + self._own_bias  # (R, H, O, T, T)
        weights = torch.cat([past.unflatten(2, self._shape), own], -1).softmax(-1)
        past, own = weights.split([self._live, width], -1)
        attended = (past.flatten(2, 3) @ past_values).unflatten(2, self._shape) + own @ v
        return attended.permute(0, 2, 3, 1, 4).reshape(len(queries), -1)
