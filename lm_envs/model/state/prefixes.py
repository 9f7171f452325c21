"""Copies of what a KV cache holds for the first positions of many rows, between rows and texts.

On a GPU they take as many launches for a thousand rows as for one; on a CPU each row is copied by
itself, without a joint array in between. Owns how the vectors of a text are laid out:
(2, L, H, P, ·) for P tokens, as in `KVCache.get_prefix`. Knows nothing of outputs.
"""

from collections.abc import Sequence

import numpy as np
import torch

from lm_envs.model.batching import flat_positions, to_device
from lm_envs.model.kv_cache import KVCache

Prefix = tuple[torch.Tensor, ...]
"""The vectors of one text of P tokens: for each buffer of the cache (2, L, H, P, ·), contiguous."""


def copy_prefixes(
    cache: KVCache, rows: np.ndarray, lengths: np.ndarray, *, at_once: bool | None = None
) -> list[Prefix]:
    """What `rows` (R,) hold for their first `lengths` (R,) positions, each in memory of its own.

    Args:
        cache: Is read.
        rows: (R,) int64.
        lengths: (R,) int64.
        at_once: Whether all rows are copied together; default: everywhere but on a CPU.
    """
    if not _is_joint(cache, at_once):
        views = map(cache.get_prefix, rows.tolist(), lengths.tolist())
        return [tuple(map(_own_copy, view)) for view in views]
    slots = _slots(cache, rows, lengths)
    parts = [_split(vectors, lengths.tolist()) for vectors in cache.read_slots(slots)]
    return list(zip(*parts, strict=True))


def restore_prefixes(
    cache: KVCache, rows: np.ndarray, prefixes: Sequence[Prefix], *, at_once: bool | None = None
) -> None:
    """Overwrites the first positions of distinct `rows` (R,) with R texts."""
    if not _is_joint(cache, at_once):
        for row, prefix in zip(rows.tolist(), prefixes, strict=True):
            cache.set_prefix(row, prefix)
        return
    lengths = np.array([prefix[0].shape[-2] for prefix in prefixes])
    # As three dimensions, which PyTorch concatenates in one launch.
    joined = [
        torch.cat([part.flatten(0, 2) for part in parts], 1).unflatten(0, parts[0].shape[:3])
        for parts in zip(*prefixes, strict=True)
    ]
    cache.write_slots(_slots(cache, rows, lengths), joined)


def copy_between_rows(
    cache: KVCache,
    rows: np.ndarray,
    sources: np.ndarray,
    lengths: np.ndarray,
    *,
    at_once: bool | None = None,
) -> None:
    """Gives distinct `rows` (R,) the first `lengths` (R,) positions of rows `sources` (R,)."""
    if not _is_joint(cache, at_once):
        restore_prefixes(cache, rows, copy_prefixes(cache, sources, lengths))
        return
    vectors = cache.read_slots(_slots(cache, sources, lengths))
    cache.write_slots(_slots(cache, rows, lengths), vectors)


def _is_joint(cache: KVCache, at_once: bool | None) -> bool:
    return cache.device.type != "cpu" if at_once is None else at_once


def _own_copy(part: torch.Tensor) -> torch.Tensor:
    return part.clone(memory_format=torch.contiguous_format)


def _slots(cache: KVCache, rows: np.ndarray, lengths: np.ndarray) -> torch.Tensor:
    """Indices (H, M) of the vectors of each head at the first positions of rows, M in all."""
    positions = flat_positions(np.zeros_like(lengths), lengths)
    members, places = to_device(cache.device, np.repeat(rows, lengths), positions)
    return cache.slot_mapping(members, places).view(len(positions), -1).t()


def _split(vectors: torch.Tensor, lengths: Sequence[int]) -> list[torch.Tensor]:
    """Vectors (2, L, H, M, ·) of texts one after the other, each in memory of its own."""
    flat = vectors.flatten(0, 2)
    own = [flat.new_empty(len(flat), length, flat.shape[2]) for length in lengths]
    torch.split_with_sizes_copy(flat, lengths, 1, out=own)
    return [each.unflatten(0, vectors.shape[:3]) for each in own]
