"""The operations on single rows as Triton kernels: embedding, norms, logits and top-k.

Each of them replaces between 3 and 50 PyTorch kernels. `triton_ops` launches them and
`torch_ops` has the same as PyTorch operations. Knows nothing of attention or models.
"""

import triton
import triton.language as tl

NO_TOKEN = tl.constexpr(2147483647)
"""Larger than every token id, so that it loses every comparison of equals by id."""


@triton.jit
def embed(
    tokens, positions, token_table, position_table, out, SIZE: tl.constexpr, COLUMNS: tl.constexpr
):
    """out (M, SIZE) float32 = embedding of a token plus that of its position."""
    row = tl.program_id(0)
    column = tl.arange(0, COLUMNS)
    is_column = column < SIZE
    token, position = tl.load(tokens + row), tl.load(positions + row)
    vector = tl.load(token_table + token * SIZE + column, mask=is_column, other=0.0)
    place = tl.load(position_table + position * SIZE + column, mask=is_column, other=0.0)
    total = vector.to(tl.float32) + place
    tl.store(out + row.to(tl.int64) * SIZE + column, total, mask=is_column)


@triton.jit
def add_norm(
    x,
    update,
    gain,
    bias,
    out,
    epsilon,
    SIZE: tl.constexpr,
    COLUMNS: tl.constexpr,
    HAS_UPDATE: tl.constexpr,
    CENTERS: tl.constexpr,
):
    """x (M, SIZE) float32 += update in place; out = layer norm of the sum in the type of out.

    Without CENTERS the mean is not subtracted and there is no bias: the root-mean-square norm.
    """
    row = tl.program_id(0).to(tl.int64)
    column = tl.arange(0, COLUMNS)
    is_column = column < SIZE
    values = tl.load(x + row * SIZE + column, mask=is_column, other=0.0)
    if HAS_UPDATE:
        added = tl.load(update + row * SIZE + column, mask=is_column, other=0.0)
        values += added.to(tl.float32)
        tl.store(x + row * SIZE + column, values, mask=is_column)
    if CENTERS:
        mean = tl.sum(values, 0) / SIZE
        values = tl.where(is_column, values - mean, 0.0)
    inverse = tl.rsqrt(tl.sum(values * values, 0) / SIZE + epsilon)
    normed = values * inverse * tl.load(gain + column, mask=is_column, other=0.0)
    if CENTERS:
        normed += tl.load(bias + column, mask=is_column, other=0.0)
    tl.store(out + row * SIZE + column, normed.to(out.dtype.element_ty), mask=is_column)


@triton.jit
def _logit(token, embeddings, center, state, column, SIZE: tl.constexpr, HAS_CENTER: tl.constexpr):
    """Logit of one token in float32; `state` is the hidden state in registers."""
    is_column = column < SIZE
    vector = tl.load(embeddings + token.to(tl.int64) * SIZE + column, mask=is_column, other=0.0)
    vector = vector.to(tl.float32)
    if HAS_CENTER:
        vector -= tl.load(center + column, mask=is_column, other=0.0)
    return tl.sum(vector * state, 0)


@triton.jit
def token_logits(
    hidden,
    embeddings,
    center,
    tokens,
    out,
    num_tokens,
    SIZE: tl.constexpr,
    COLUMNS: tl.constexpr,
    HAS_CENTER: tl.constexpr,
):
    """out (N, num_tokens) float32: logits of given tokens after hidden states (N, SIZE)."""
    row, place = tl.program_id(0).to(tl.int64), tl.program_id(1)
    column = tl.arange(0, COLUMNS)
    state = tl.load(hidden + row * SIZE + column, mask=column < SIZE, other=0.0)
    token = tl.load(tokens + row * num_tokens + place)
    logit = _logit(token, embeddings, center, state, column, SIZE, HAS_CENTER)
    tl.store(out + row * num_tokens + place, logit)


@triton.jit(do_not_specialize=["stride"])  # a single row may have another one
def log_sum(logits, out, stride, num_logits, BLOCK: tl.constexpr):
    """out (N,) float32: log of the sum of exponentials of logits (N, num_logits), some -inf."""
    row = tl.program_id(0).to(tl.int64)
    index = tl.arange(0, BLOCK)
    largest = tl.full((BLOCK,), float("-inf"), tl.float32)
    for start in range(0, num_logits, BLOCK):
        is_logit = start + index < num_logits
        at = row * stride + start + index
        found = tl.load(logits + at, mask=is_logit, other=float("-inf")).to(tl.float32)
        largest = tl.maximum(largest, found)
    overall = tl.max(largest, 0)
    total = tl.zeros((BLOCK,), tl.float32)
    for start in range(0, num_logits, BLOCK):
        is_logit = start + index < num_logits
        at = row * stride + start + index
        found = tl.load(logits + at, mask=is_logit, other=float("-inf")).to(tl.float32)
        total += tl.exp(found - overall)
    tl.store(out + row, overall + tl.log(tl.sum(total, 0)))


@triton.jit
def _sortable(logit, FLIPPED: tl.constexpr):
    """Integers in the order of float32 numbers, by IEEE 754: negative ones have flipped bits."""
    bits = (logit + 0.0).to(tl.int32, bitcast=True)  # -0 + 0 = 0
    return bits ^ ((bits >> 31) & FLIPPED)


@triton.jit
def _unsorted(bits, FLIPPED: tl.constexpr):
    """The float32 numbers of `_sortable`."""
    return (bits ^ ((bits >> 31) & FLIPPED)).to(tl.float32, bitcast=True)


@triton.jit
def _token_keys(logit, token):
    """Keys int64 whose largest is the largest logit and, among equals, the smallest id."""
    return (_sortable(logit, 0x7FFFFFFF).to(tl.int64) << 32) | (2147483647 - token).to(tl.int64)


@triton.jit
def _logit_and_token(key):
    """What `_token_keys` made a key of; the token as int64."""
    return _unsorted((key >> 32).to(tl.int32), 0x7FFFFFFF), 2147483647 - (key & 2147483647)


@triton.jit
def top_of_block(
    logits,
    top,
    ids,
    maxima,
    sums,
    stride,
    num_logits,
    COUNT: tl.constexpr,
    BLOCK: tl.constexpr,
    IS_HALF: tl.constexpr,
):
    """Of BLOCK logits of a row: the COUNT largest, ties by id; their maximum; their sum of exp.

    Each round finds the largest of keys that hold a logit above its place from the end, so that one
    comparison decides both. With IS_HALF the logits are bfloat16, whose 16 bits leave room for
    the place in an int32. BLOCK: at most 2**16.
    """
    row, block = tl.program_id(0).to(tl.int64), tl.program_id(1)
    index = tl.arange(0, BLOCK)
    at = block * BLOCK + index
    logit = tl.load(logits + row * stride + at, mask=at < num_logits, other=float("-inf"))
    logit = logit.to(tl.float32)
    largest = tl.max(logit, 0)
    place = row * tl.num_programs(1) + block
    tl.store(maxima + place, largest)
    # In a block of unwritten tokens alone -inf - -inf would be NaN; its sum is 0.
    origin = tl.where(largest == float("-inf"), 0.0, largest)
    tl.store(sums + place, tl.sum(tl.exp(logit - origin), 0))
    FLIPPED: tl.constexpr = 0x7FFF0000 if IS_HALF else 0x7FFFFFFF
    if IS_HALF:
        key = _sortable(logit, FLIPPED) | (65535 - index)
        least = -2147483648
    else:
        key = (_sortable(logit, FLIPPED).to(tl.int64) << 16) | (65535 - index).to(tl.int64)
        least = -9223372036854775808
    for count in range(COUNT):
        best = tl.max(key, 0)
        found = (65535 - (best & 65535)).to(tl.int32)
        bits = best & -65536 if IS_HALF else (best >> 16).to(tl.int32)
        tl.store(top + place * COUNT + count, _unsorted(bits, FLIPPED))
        tl.store(ids + place * COUNT + count, block * BLOCK + found)
        key = tl.where(key == best, least, key)


@triton.jit
def _exact_logits(
    tokens,
    row,
    hidden,
    embeddings,
    center,
    SIZE: tl.constexpr,
    COLUMNS: tl.constexpr,
    PLACES: tl.constexpr,
    HAS_CENTER: tl.constexpr,
):
    """Logits (PLACES,) float32 of tokens, in parts of PART columns that are read together."""
    PART: tl.constexpr = 64 if COLUMNS >= 64 else COLUMNS
    logits = tl.zeros((PLACES,), tl.float32)
    for start in range(0, COLUMNS, PART):
        column = start + tl.arange(0, PART)
        is_column = column < SIZE
        at = tokens.to(tl.int64)[:, None] * SIZE + column[None, :]
        vectors = tl.load(embeddings + at, mask=is_column[None, :], other=0.0).to(tl.float32)
        if HAS_CENTER:
            vectors -= tl.load(center + column, mask=is_column, other=0.0)[None, :]
        state = tl.load(hidden + row * SIZE + column, mask=is_column, other=0.0)
        logits += tl.sum(vectors * state[None, :], 1)
    return logits


@triton.jit
def _log_sum(maxima, sums, row, num_blocks, BLOCKS: tl.constexpr):
    """log Z of a row, of the maxima of its blocks and their sums of exp."""
    block = tl.arange(0, BLOCKS)
    is_block = block < num_blocks
    largest = tl.load(maxima + row * num_blocks + block, mask=is_block, other=float("-inf"))
    part = tl.load(sums + row * num_blocks + block, mask=is_block, other=0.0)
    overall = tl.max(largest, 0)
    return overall + tl.log(tl.sum(part * tl.exp(largest - overall), 0))


@triton.jit
def _merge_blocks(
    top,
    ids,
    row,
    required,
    num_blocks,
    num_logits,
    COUNT: tl.constexpr,
    PLACES: tl.constexpr,
    ENTRIES: tl.constexpr,
):
    """Tokens (PLACES,) int32 and logits of the COUNT largest entries; then `required` and -inf."""
    entry = tl.arange(0, ENTRIES)
    is_entry = entry < num_blocks * COUNT
    start = row * num_blocks * COUNT
    logit = tl.load(top + start + entry, mask=is_entry, other=float("-inf"))
    key = _token_keys(logit, tl.load(ids + start + entry, mask=is_entry, other=NO_TOKEN))
    place = tl.arange(0, PLACES)
    tokens = tl.full((PLACES,), required, tl.int32)
    logits = tl.full((PLACES,), float("-inf"), tl.float32)
    for index in range(COUNT):
        best = tl.max(key, 0)
        key = tl.where(key == best, -9223372036854775808, key)
        value, found = _logit_and_token(best)
        tokens = tl.where(place == index, tl.minimum(found.to(tl.int32), num_logits - 1), tokens)
        logits = tl.where(place == index, value, logits)
    return tokens, logits


@triton.jit
def top_of_row(
    top,
    ids,
    maxima,
    sums,
    hidden,
    embeddings,
    center,
    candidates,
    logprobs,
    log_z,
    required,
    num_blocks,
    num_logits,
    SIZE: tl.constexpr,
    COLUMNS: tl.constexpr,
    COUNT: tl.constexpr,
    PLACES: tl.constexpr,
    BLOCKS: tl.constexpr,
    ENTRIES: tl.constexpr,
    HAS_CENTER: tl.constexpr,
):
    """Merges the blocks of a row: COUNT tokens by exact logit, then by id, and log Z.

    `required` takes the last place where it is missing. PLACES > COUNT, BLOCKS >= num_blocks and
    ENTRIES >= BLOCKS * COUNT are powers of two.
    """
    row = tl.program_id(0).to(tl.int64)
    total = _log_sum(maxima, sums, row, num_blocks, BLOCKS)
    tokens, exact = _merge_blocks(
        top, ids, row, required, num_blocks, num_logits, COUNT, PLACES, ENTRIES
    )
    precise = _exact_logits(
        tokens, row, hidden, embeddings, center, SIZE, COLUMNS, PLACES, HAS_CENTER
    )
    place = tl.arange(0, PLACES)
    last = tl.sum(tl.where(place == COUNT, precise, 0.0), 0)  # of the required token
    is_candidate = place < COUNT
    if HAS_CENTER:
        exact = tl.where(is_candidate, precise, float("-inf"))
    is_missing = tl.sum((is_candidate & (tokens == required)).to(tl.int32), 0) == 0
    order = tl.where(is_candidate, _token_keys(exact, tokens), -9223372036854775808)
    for index in range(COUNT):
        best = tl.max(order, 0)
        order = tl.where(order == best, -9223372036854775808, order)
        value, found = _logit_and_token(best)
        is_end = is_missing & (index == COUNT - 1)
        tl.store(logprobs + row * COUNT + index, tl.where(is_end, last, value) - total)
        tl.store(candidates + row * COUNT + index, tl.where(is_end, required, found).to(tl.int64))
    tl.store(log_z + row, total)
