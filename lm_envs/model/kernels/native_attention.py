"""Attention by the C++ kernel of `csrc/native_attention.cpp`.

Tensors whose addresses are passed are held by local names or attributes until the function returns.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from lm_envs.model.kv_cache import KVCache


@dataclass(slots=True)
class NativeAttention:
    """Attention of new tokens to their rows' slots, each up to and including itself.

    Attributes:
        function: The kernel; returns how many rows or positions are out of range.
        cache: Stores keys and values; those of the new tokens are written first.
        rows: (M,) int64 row of each token, contiguous; None where token i belongs to row i.
        positions: (M,) int64, contiguous.
    """

    function: Callable[..., int]
    cache: KVCache
    rows: torch.Tensor | None
    positions: torch.Tensor

    def __call__(
        self, layer: int, queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor
    ) -> torch.Tensor:
        """(M, H, d) queries and (M, H_kv, d) keys and values, of one stride, -> (M, H d)."""
        num_tokens, num_heads, size = queries.shape
        out = queries.new_empty(num_tokens, num_heads * size)
        num_invalid = self.function(
            queries.data_ptr(),
            keys.data_ptr(),
            values.data_ptr(),
            queries.stride(0),
            *map(torch.Tensor.data_ptr, self.cache.layers[layer]),
            None if self.rows is None else self.rows.data_ptr(),
            self.positions.data_ptr(),
            out.data_ptr(),
            *(num_tokens, self.cache.num_rows, num_heads, keys.shape[1], size),
            self.cache.capacity,
            torch.get_num_threads(),
        )
        if num_invalid:
            raise index_error(num_invalid)
        return out


def index_error(num_invalid: int) -> IndexError:
    """The error for indices that a kernel left out."""
    return IndexError(
        f"Got {num_invalid} tokens, rows or positions out of range; allowed: tokens of the "
        "vocabulary, and rows and positions of the cache."
    )
