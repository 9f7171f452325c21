"""Attention of new tokens to a KV cache in PyTorch, for each way of reading tokens.

Owns which earlier positions a token sees. Knows nothing of weights, tokens or text; the same in
C++ is in `lm_envs.model.kernels.native`.
"""

from typing import NamedTuple, Protocol

import torch
import torch.nn.functional as F

from lm_envs.model.kv_cache import KVCache, round_up

QUERY_MULTIPLE = 4
"""Queries are padded to a multiple of this: for fewer, PyTorch uses another kernel on CPU, which
sums in another order, and a row's numbers would depend on how its tokens are split into calls."""


class Attend(Protocol):
    """Decides which earlier tokens each token sees; may store keys and values in a cache."""

    def __call__(
        self, layer: int, queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor
    ) -> torch.Tensor:
        """Attention output (M, H d) of one layer.

        Args:
            layer: Number of the layer.
            queries: (M, H, d).
            keys: (M, H_kv, d); each is seen by H / H_kv heads of queries that stand side by side.
            values: (M, H_kv, d).
        """
        ...


class Extension(NamedTuple):
    """New tokens that continue S rows of a cache; they come flat, row after row.

    The tensors are on the cache's device. The numbers are known without reading them: reading a
    tensor on a GPU would wait for all work that was launched before.
    """

    rows: torch.Tensor  # (S,) int64 slots to write and read
    starts: torch.Tensor  # (S,) int64 position of each row's first new token
    sizes: torch.Tensor  # (S,) int64 number of new tokens of each row
    num_tokens: int  # M, all new tokens
    longest: int  # most new tokens of a row
    context_len: int  # number of leading positions to read; more than every position


class DecodeAttention:
    """Attention of one new token in each row to its slot, up to and including itself.

    Args:
        cache: Stores keys and values; those of the new tokens are written at their positions.
        positions: (N,) int64, on the cache's device.
        context_len: Number of leading positions to read; more than every position.
    """

    def __init__(self, cache: KVCache, positions: torch.Tensor, context_len: int) -> None:
        device = positions.device
        self._cache, self._context_len = cache, context_len
        rows = torch.arange(cache.num_rows, device=device)
        self._slot_mapping = cache.slot_mapping(rows, positions)
        is_hidden = torch.arange(context_len, device=device) > positions[:, None]  # (N, context)
        bias = torch.zeros(is_hidden.shape, dtype=cache.read_dtype, device=device)
        bias.masked_fill_(is_hidden, -torch.inf)
        self._bias = bias[:, None, None]  # (N, 1, 1, context)

    def __call__(
        self, layer: int, queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor
    ) -> torch.Tensor:
        """Writes (N, H_kv, d) keys and values and returns (N, H d)."""
        self._cache.write(layer, self._slot_mapping, keys, values)
        keys, values = self._cache.read(layer, self._context_len)  # (N, H_kv, context, d)
        attend = _attend_by_bmm if keys.dtype == torch.float32 else _attend_fused
        queries = queries.unflatten(1, (keys.shape[1], -1)).to(keys.dtype)  # (N, H_kv, G, d)
        return attend(queries, keys, values, self._bias).flatten(1)


def _attend_by_bmm(
    queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, bias: torch.Tensor
) -> torch.Tensor:
    """Attention (N, H_kv, G, d) of G queries to each head's keys, as two batched products.

    In float32 on CPU as fast as `scaled_dot_product_attention`, whose kernel is made for many
    queries, or up to 3 times faster; in bfloat16 slower than that.
    """
    scaled = (queries * queries.shape[-1] ** -0.5).flatten(0, 1)  # (N H_kv, G, d)
    scores = torch.bmm(scaled, keys.flatten(0, 1).mT).unflatten(0, keys.shape[:2])
    weights = (scores + bias).softmax(-1).flatten(0, 1)  # (N H_kv, G, context)
    return torch.bmm(weights, values.flatten(0, 1)).view(queries.shape)


def _attend_fused(
    queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, bias: torch.Tensor
) -> torch.Tensor:
    """Attention (N, H_kv, G, d) by PyTorch's kernel for the device, which sums in float32."""
    return F.scaled_dot_product_attention(queries, keys, values, attn_mask=bias)


class PrefillAttention:
    """Causal attention inside R padded prompts of T tokens, written to the slots of `rows`.

    Padding stands after the prompt, so that no real token sees it, and decoding overwrites it
    before reading that far.

    Args:
        cache: Stores keys and values; None stores nothing.
        rows: (R,) int64 slots to write, on the cache's device.
        width: T, positions per prompt.
    """

    def __init__(self, cache: KVCache | None, rows: torch.Tensor, width: int) -> None:
        self._cache, self._shape = cache, (len(rows), width)
        if cache is not None:
            positions = torch.arange(width, device=rows.device).repeat(len(rows))
            self._slot_mapping = cache.slot_mapping(rows.repeat_interleave(width), positions)

    def __call__(
        self, layer: int, queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor
    ) -> torch.Tensor:
        """(R T, H, d) queries and (R T, H_kv, d) keys and values -> (R T, H d)."""
        if self._cache is not None:
            keys, values = self._cache.write(layer, self._slot_mapping, keys, values)
        q, k, v = (
            x.to(queries.dtype).unflatten(0, self._shape).transpose(1, 2)
            for x in (queries, keys, values)
        )  # (R, H or H_kv, T, d)
        k, v = _for_each_query(k, v, queries.shape[1])
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True)  # (R, H, T, d)
        return attended.transpose(1, 2).reshape(len(queries), -1)


class ExtendAttention:
    """Attention of further tokens of some rows to their slots, up to and including themselves.

    The keys and values of the new tokens are written first.

    Args:
        cache: Stores keys and values.
        extension: The new tokens.
    """

    def __init__(self, cache: KVCache, extension: Extension) -> None:
        rows, starts, sizes, num_tokens, longest, context_len = extension
        self._cache, self._rows, self._context_len = cache, rows, context_len
        device, width = rows.device, round_up(longest, QUERY_MULTIPLE)
        ends = sizes.cumsum(0)
        token = torch.arange(num_tokens, device=device)
        index = torch.searchsorted(ends, token, right=True)  # (M,) its row in `rows`
        offset = token - (ends - sizes)[index]  # (M,) its place among the row's new tokens
        self._shape, self._place = (len(rows), width), index * width + offset
        self._slot_mapping = cache.slot_mapping(rows[index], starts[index] + offset)
        positions = starts[:, None] + torch.arange(width, device=device)  # (R, T)
        context = torch.arange(context_len, device=device)
        is_hidden = context > positions[..., None]  # (R, T, context)
        self._bias = torch.zeros(is_hidden.shape, device=device)
        self._bias.masked_fill_(is_hidden, -torch.inf)

    def __call__(
        self, layer: int, queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor
    ) -> torch.Tensor:
        """(M, H, d) queries and (M, H_kv, d) keys and values -> (M, H d) float32."""
        self._cache.write(layer, self._slot_mapping, keys, values)
        scaled = queries.float() * queries.shape[-1] ** -0.5
        num_places, heads = self._shape[0] * self._shape[1], scaled.shape[1:]
        padded = scaled.new_zeros(num_places, *heads).index_copy_(0, self._place, scaled)
        keys, values = self._cache.read(layer, self._context_len, self._rows)
        keys, values = _for_each_query(keys, values, queries.shape[1])
        padded = padded.view(*self._shape, *heads).transpose(1, 2)  # (R, H, T, d)
        scores = padded @ keys.float().mT  # (R, H, T, context)
        weights = (scores + self._bias[:, None]).softmax(-1)  # (R, H, T, context)
        attended = weights @ values.float()  # (R, H, T, d)
        flat = attended.transpose(1, 2).reshape(num_places, -1)
        return flat.index_select(0, self._place)


class OptionAttention:
    """Attention of O alternative continuations of T tokens for each row: to the slot and causally.

    The continuations of a row do not see each other, and nothing is written to the cache.

    Args:
        cache: Stores the keys and values of the rows so far.
        rows: (R,) int64 slots to read, on the cache's device.
        lengths: (R,) int64 number of tokens in each of them.
        context_len: Number of leading positions to read; at least every length.
        shape: (O, T).
    """

    def __init__(
        self,
        cache: KVCache,
        rows: torch.Tensor,
        lengths: torch.Tensor,
        context_len: int,
        shape: tuple[int, int],
    ) -> None:
        self._cache, self._rows, self._context_len, self._shape = cache, rows, context_len, shape
        device, width = rows.device, shape[1]
        context = torch.arange(context_len, device=device)
        is_past_end = context >= lengths[:, None]  # (R, context)
        self._past_bias = torch.zeros(is_past_end.shape, device=device)
        self._past_bias.masked_fill_(is_past_end, -torch.inf)
        future = torch.ones(width, width, dtype=torch.bool, device=device).triu(1)
        self._own_bias = torch.zeros(width, width, device=device)
        self._own_bias.masked_fill_(future, -torch.inf)

    def __call__(
        self, layer: int, queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor
    ) -> torch.Tensor:
        """(R O T, H, d) queries and (R O T, H_kv, d) keys, values -> (R O T, H d) float32."""
        shape = (len(self._rows), *self._shape)
        q, k, v = (
            x.float().view(*shape, *x.shape[1:]).permute(0, 3, 1, 2, 4)
            for x in (queries, self._cache.as_stored(keys), self._cache.as_stored(values))
        )  # (R, H or H_kv, O, T, d)
        past_keys, past_values = (
            past.float() for past in self._cache.read(layer, self._context_len, self._rows)
        )  # (R, H_kv, context, d)
        k, v = _for_each_query(k, v, q.shape[1])
        past_keys, past_values = _for_each_query(past_keys, past_values, q.shape[1])
        q = q * q.shape[-1] ** -0.5
        past = q.flatten(2, 3) @ past_keys.mT + self._past_bias[:, None, None]
        own = q @ k.mT + self._own_bias  # (R, H, O, T, T)
        scores = torch.cat([past.unflatten(2, self._shape), own], -1)  # past: (R, H, O T, context)
        past, own = scores.softmax(-1).split([self._context_len, self._shape[1]], -1)
        attended = (past.flatten(2, 3) @ past_values).unflatten(2, self._shape) + own @ v
        return attended.permute(0, 2, 3, 1, 4).reshape(len(queries), -1)


def _for_each_query(
    keys: torch.Tensor, values: torch.Tensor, num_heads: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Keys and values (R, H_kv, …) repeated for each of H heads of queries: (R, H, …)."""
    groups = num_heads // keys.shape[1]
    if groups == 1:
        return keys, values
    return keys.repeat_interleave(groups, 1), values.repeat_interleave(groups, 1)
