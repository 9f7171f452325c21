"""Attention of new tokens to a KV cache, as one Triton kernel for every way of reading tokens.

A pass reads M new tokens that belong to sequences. The tokens of a sequence continue a row of the
cache: each sees the first `past` positions of the row, the earlier new tokens of its own sequence
and itself. Decoding, continuing, prefill and scoring differ only in `past` and in whether the new
keys and values are stored, so that all of them share this arithmetic: products in the type of the
cache, sums in float32.

Sequences are cut into tiles of TILE tokens; a program computes one tile of one head. Knows nothing
of layers or models. `lm_envs.model.kernels.triton_ops` launches the kernels.
"""

import triton
import triton.language as tl

TILE_FIELDS = tl.constexpr(5)
"""Numbers of a tile: row of the cache, past positions, index of the sequence's first token, place
of the tile's first token in its sequence, tokens of the sequence."""

ROUNDING = tl.constexpr(12582912.0)
"""1.5 * 2**23: adding and subtracting it rounds a float32 below 2**22 to the nearest integer."""


@triton.jit
def make_tiles(rows, starts, sizes, tiles, num_sequences, TILE: tl.constexpr, SLOTS: tl.constexpr):
    """Writes the tile table (tiles, TILE_FIELDS) int32; a tile past the last one has size 0.

    rows, starts, sizes: (num_sequences,) int64. SLOTS: a power of two, at least num_sequences.
    """
    tile = tl.program_id(0)
    index = tl.arange(0, SLOTS)
    size = tl.load(sizes + index, mask=index < num_sequences, other=0)
    count = (size + TILE - 1) // TILE
    is_before = tl.cumsum(count, 0) <= tile  # all tiles of these sequences come earlier
    is_own = index == tl.sum(is_before.to(tl.int32), 0)
    first_tile = tl.sum(tl.where(is_before, count, 0), 0)
    record = tiles + tile * TILE_FIELDS
    own_row = tl.load(rows + index, mask=is_own & (index < num_sequences), other=0)
    own_start = tl.load(starts + index, mask=is_own & (index < num_sequences), other=0)
    tl.store(record, tl.sum(own_row, 0).to(tl.int32))
    tl.store(record + 1, tl.sum(own_start, 0).to(tl.int32))
    tl.store(record + 2, tl.sum(tl.where(is_before, size, 0), 0).to(tl.int32))
    tl.store(record + 3, ((tile - first_tile) * TILE).to(tl.int32))
    tl.store(record + 4, tl.sum(tl.where(is_own, size, 0), 0).to(tl.int32))


@triton.jit
def _read_tile(tiles, DECODES: tl.constexpr):
    """The five numbers of this program's tile, in the order of the table."""
    tile = tl.program_id(0)
    if DECODES:
        row, past, first, offset, size = tile, tl.load(tiles + tile).to(tl.int32), tile, 0, 1
    else:
        record = tiles + tile * TILE_FIELDS
        row, past, first = tl.load(record), tl.load(record + 1), tl.load(record + 2)
        offset, size = tl.load(record + 3), tl.load(record + 4)
    return row, past, first, offset, size


@triton.jit
def _scale(vectors):
    """Scale of each int8 vector, as in `quantize_rows`."""
    return tl.maximum(tl.max(tl.abs(vectors), 1), 1e-30) / 127.0


@triton.jit
def _round(vectors, scale):
    """Vectors over their scales, rounded to integers, half to even."""
    return (vectors / scale[:, None] + ROUNDING) - ROUNDING


@triton.jit
def _update(q, k, v, is_seen, best, total, attended, scale, UPCASTS: tl.constexpr):
    """Online softmax: includes one more block of keys (B, d) and values (B, d)."""
    weights_type = v.dtype
    if UPCASTS:
        q, k, v = q.to(tl.float32), k.to(tl.float32), v.to(tl.float32)
    scores = tl.dot(q, tl.trans(k), input_precision="ieee") * scale
    scores = tl.where(is_seen, scores, float("-inf"))
    new = tl.maximum(best, tl.max(scores, 1))
    weights = tl.exp2(scores - new[:, None])
    fade = tl.exp2(best - new)
    rounded = weights.to(weights_type).to(v.dtype)
    added = tl.dot(rounded, v, input_precision="ieee")
    return new, total * fade + tl.sum(weights, 1), attended * fade[:, None] + added


@triton.jit
def _old_vectors(vectors, scales, first, is_key, column, SIZE: tl.constexpr, INT8: tl.constexpr):
    """Vectors (B, COLUMNS) of the cache at places `first` (B,)."""
    is_number = is_key[:, None] & (column < SIZE)[None, :]
    at = first[:, None] * SIZE + column[None, :]  # a pointer plus one sum needs fewer registers
    found = tl.load(vectors + at, mask=is_number, other=0)
    if INT8:
        scale = tl.load(scales + first, mask=is_key, other=0.0)
        found = found.to(tl.float32) * scale[:, None]
    return found


@triton.jit
def _own_vectors(vectors, at, is_number, INT8: tl.constexpr):
    """New vectors (B, COLUMNS), with INT8 as they are stored."""
    found = tl.load(vectors + at, mask=is_number, other=0.0)
    if INT8:
        found = found.to(tl.float32)
        scale = _scale(found)
        found = _round(found, scale) * scale[:, None]
    return found


@triton.jit
def _store(
    vectors, new, at, stored, scales, is_token, column, SIZE: tl.constexpr, INT8: tl.constexpr
):
    """Stores new vectors (T, COLUMNS) at the places `stored` (T,) of the cache."""
    is_number = is_token[:, None] & (column < SIZE)[None, :]
    found = tl.load(new + at, mask=is_number, other=0.0)
    if INT8:
        found = found.to(tl.float32)
        scale = _scale(found)
        found = _round(found, scale)
        tl.store(scales + stored, scale, mask=is_token)
    at = stored[:, None] * SIZE + column[None, :]
    tl.store(vectors + at, found.to(vectors.dtype.element_ty), mask=is_number)


@triton.jit
def attend(
    q,
    k,
    v,
    out,
    keys,
    values,
    key_scales,
    value_scales,
    tiles,
    stride,
    capacity,
    scale,
    HEADS: tl.constexpr,
    KV_HEADS: tl.constexpr,
    SIZE: tl.constexpr,
    COLUMNS: tl.constexpr,
    TILE: tl.constexpr,
    BLOCK: tl.constexpr,
    OWN_BLOCK: tl.constexpr,
    HAS_CACHE: tl.constexpr,
    STORES: tl.constexpr,
    DECODES: tl.constexpr,
    JOINS: tl.constexpr,
    INT8: tl.constexpr,
    UPCASTS: tl.constexpr,
):
    """Attention output (M, HEADS, SIZE) of one tile and head.

    q: (M, HEADS, SIZE), k, v: (M, KV_HEADS, SIZE), `stride` numbers from token to token. keys,
    values: (N, KV_HEADS, capacity, SIZE) of the cache, with INT8 their scales (N, KV_HEADS,
    capacity). scale: factor of the scores, times log2(e). tiles: the table of `make_tiles`; with
    DECODES the position (N,) int64 of each row's one token. COLUMNS: a power of two, >= SIZE.
    BLOCK and OWN_BLOCK: past and new keys that are read together. JOINS: blocks begin at multiples
    of BLOCK in the text, and one may hold both: sums do not depend on which keys are new. UPCASTS:
    multiply in float32, because Triton's interpreter cannot multiply bfloat16.
    """
    head = tl.program_id(1)
    row, past, first, offset, size = _read_tile(tiles, DECODES)
    if offset < size:
        kv_head = head // (HEADS // KV_HEADS)
        column = tl.arange(0, COLUMNS)
        is_column, kv_start = (column < SIZE)[None, :], kv_head * SIZE
        query = offset + tl.arange(0, TILE)
        is_query = (query < size)[:, None]
        place = (first + query).to(tl.int64)[:, None] * stride + column[None, :]
        queries = tl.load(q + place + head * SIZE, mask=is_query & is_column, other=0.0)
        if INT8:
            queries = queries.to(tl.float32)
        best = tl.full((TILE,), float("-inf"), tl.float32)
        total = tl.zeros((TILE,), tl.float32)
        attended = tl.zeros((TILE, COLUMNS), tl.float32)
        slot = (row.to(tl.int64) * KV_HEADS + kv_head) * capacity
        last = tl.minimum(offset + TILE, size)
        if HAS_CACHE or JOINS:
            for start in range(0, past + last if JOINS else past, BLOCK):
                position = start + tl.arange(0, BLOCK)
                is_old, at = position < past, slot + position
                old_keys = _old_vectors(keys, key_scales, at, is_old, column, SIZE, INT8)
                old_values = _old_vectors(values, value_scales, at, is_old, column, SIZE, INT8)
                is_seen = is_old[None, :]
                if JOINS:
                    own = position - past
                    at = (first + own).to(tl.int64)[:, None] * stride + column[None, :] + kv_start
                    is_own = ((own >= 0) & (own < size))[:, None] & is_column
                    is_seen = (own[None, :] <= query[:, None]) & (own < size)[None, :]
                    old_keys = tl.where(is_own, _own_vectors(k, at, is_own, INT8), old_keys)
                    old_values = tl.where(is_own, _own_vectors(v, at, is_own, INT8), old_values)
                best, total, attended = _update(
                    queries, old_keys, old_values, is_seen, best, total, attended, scale, UPCASTS
                )
        if not JOINS:
            for start in range(0, last, OWN_BLOCK):
                own = start + tl.arange(0, OWN_BLOCK)
                is_own = (own < size)[:, None] & is_column
                at = (first + own).to(tl.int64)[:, None] * stride + column[None, :] + kv_start
                own_keys = _own_vectors(k, at, is_own, INT8)
                own_values = _own_vectors(v, at, is_own, INT8)
                is_seen = (own[None, :] <= query[:, None]) & (own < size)[None, :]
                best, total, attended = _update(
                    queries, own_keys, own_values, is_seen, best, total, attended, scale, UPCASTS
                )
        at = (first + query).to(tl.int64)[:, None] * (HEADS * SIZE) + head * SIZE + column[None, :]
        result = attended / total[:, None]
        tl.store(out + at, result.to(out.dtype.element_ty), mask=is_query & is_column)
        if STORES:
            if head % (HEADS // KV_HEADS) == 0:
                at, stored = place + kv_head * SIZE, slot + past + query
                _store(keys, k, at, stored, key_scales, query < size, column, SIZE, INT8)
                _store(values, v, at, stored, value_scales, query < size, column, SIZE, INT8)
