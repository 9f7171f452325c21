import pytest
import torch

from lm_envs.model.attention import Extension
from tests.model.engines import float_dtypes
from tests.model.kernels.triton_kernels import TORCH, TRITON, agree, draw_there, make_cache, put

pytestmark = pytest.mark.gpu

HEADS = (6, 2)
"""Heads of queries, and of keys and values."""

both_cache_dtypes = pytest.mark.parametrize("is_int8", [False, True])
sizes = pytest.mark.parametrize("size", [16, 24, 64])


def draw_tokens(num_tokens, size, dtype):
    """Queries (M, H, d), keys and values (M, H_kv, d), as parts of one tensor."""
    parts = (HEADS[0], HEADS[1], HEADS[1])
    return draw_there(num_tokens, sum(parts), size, dtype=dtype).split(parts, 1)


def compare(method, arguments, num_tokens, size, dtype, is_int8):
    """Attention by both backends, and what they leave in the cache."""
    tokens = draw_tokens(num_tokens, size, dtype)
    stored = torch.int8 if is_int8 else dtype
    caches = [make_cache(dtype, stored, HEADS[1], size) for _ in range(2)]
    found, expected = (
        getattr(kernels, method)(cache, *arguments)(0, *tokens)
        for kernels, cache in zip((TRITON, TORCH), caches, strict=True)
    )
    agree(found, expected, dtype)
    for ours, theirs in zip(*(cache.layers[0] for cache in caches), strict=True):
        # On a GPU a number half-way between two int8 values may be rounded to either.
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1 if ours.dtype == torch.int8 else 0)


@float_dtypes
@both_cache_dtypes
@sizes
def test_decoding_reads_each_row_up_to_its_own_position(dtype, is_int8, size):
    positions = put(0, 1, 15, 16, 63, 95)
    compare("decode_attention", (positions, 96), 6, size, dtype, is_int8)


@float_dtypes
@both_cache_dtypes
@sizes
def test_an_extension_sees_its_row_and_its_own_earlier_tokens(dtype, is_int8, size):
    extension = Extension(put(3, 0, 5), put(70, 0, 2), put(3, 20, 1), 24, 20, 80)
    compare("extend_attention", (extension,), 24, size, dtype, is_int8)


@both_cache_dtypes
def test_rows_without_tokens_and_unused_tokens_change_nothing(is_int8):
    plain = Extension(put(3, 0), put(70, 0), put(3, 20), 23, 20, 80)
    padded = Extension(put(3, 0, 6, 6), put(70, 0, 0, 0), put(3, 20, 0, 0), 40, 40, 96)
    tokens = draw_tokens(40, 16, torch.float32)
    stored = torch.int8 if is_int8 else torch.float32
    caches = [make_cache(torch.float32, stored, HEADS[1], 16) for _ in range(2)]
    expected = TRITON.extend_attention(caches[0], plain)(0, *(part[:23] for part in tokens))
    found = TRITON.extend_attention(caches[1], padded)(0, *tokens)
    assert torch.equal(found[:23], expected)
    assert all(map(torch.equal, caches[0].layers[0], caches[1].layers[0]))


@float_dtypes
@both_cache_dtypes
def test_options_see_their_row_and_themselves_and_store_nothing(dtype, is_int8):
    compare("option_attention", (put(3, 1), put(70, 10), 80, (3, 4)), 24, 16, dtype, is_int8)


@float_dtypes
@both_cache_dtypes
def test_prefill_stores_and_sees_earlier_tokens(dtype, is_int8):
    compare("prefill_attention", (put(3, 1), 32), 64, 16, dtype, is_int8)


@float_dtypes
def test_prefill_needs_no_cache(dtype):
    tokens = draw_tokens(64, 16, dtype)
    found, expected = (
        kernels.prefill_attention(None, put(0, 1), 32)(0, *tokens) for kernels in (TRITON, TORCH)
    )
    agree(found, expected, dtype)


def test_heads_may_share_keys_and_values():
    queries, keys, values = draw_there(6, 8, 16).split([4, 2, 2], 1)
    cache = make_cache(torch.float32, torch.float32, 2, 16)
    wide = make_cache(torch.float32, torch.float32, 4, 16)
    for shared, own in zip(cache.layers[0], wide.layers[0], strict=True):
        own.copy_(shared.repeat_interleave(2, 1))
    positions = put(0, 1, 15, 16, 63, 95)
    found = TRITON.decode_attention(cache, positions, 96)(0, queries, keys, values)
    repeated = (part.repeat_interleave(2, 1) for part in (keys, values))
    expected = TORCH.decode_attention(wide, positions, 96)(0, queries, *repeated)
    agree(found, expected, torch.float32)
