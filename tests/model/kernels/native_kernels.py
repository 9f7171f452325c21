"""Comparisons of the C++ kernels with PyTorch's operations."""

import pytest
import torch

from lm_envs.model.kernels import native
from lm_envs.model.kernels.torch_ops import TorchKernels
from lm_envs.model.kv_cache import KVCache, get_format
from tests.model.engines import CPU, draw

ROWS = 5
TOLERANCE = {torch.float32: 3e-6, torch.bfloat16: 2e-2}
both_cache_dtypes = pytest.mark.parametrize("is_int8", [False, True])


def make_both(dtype):
    return native.kernels(dtype), TorchKernels()


def agree(ours, theirs, dtype):
    torch.testing.assert_close(ours, theirs, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


def draw_tokens(num_tokens, heads, size, dtype):
    """Queries (M, H, d), keys and values (M, H_kv, d), as parts of one tensor."""
    parts = (heads[0], heads[1], heads[1])
    return draw(num_tokens, sum(parts), size, dtype=dtype).split(parts, 1)


def fill(cache, layer):
    """Writes random keys and values to every position of a layer."""
    parts = cache.layers[layer]
    keys, values = (get_format(cache.dtype).encode(draw(*parts[0].shape, seed=i)) for i in (1, 2))
    for part, kept in zip(parts, (*keys, *values), strict=True):
        part.copy_(kept)


def check_decode_attention(dtype, is_int8, size, heads):
    """Compares attention of `heads` (H, H_kv) of this size, and what it leaves in the cache."""
    positions = torch.tensor([0, 1, 15, 16, 99])
    results = []
    for kernels in make_both(dtype):
        cache = KVCache(
            num_layers=2,
            num_rows=ROWS,
            num_heads=heads[1],
            head_size=size,
            capacity=100,
            dtype=torch.int8 if is_int8 else dtype,
            device=CPU,
        )
        fill(cache, 1)
        q, k, v = draw_tokens(ROWS, heads, size, dtype)
        attended = kernels.decode_attention(cache, positions, 100)(1, q, k, v)
        results.append((attended, *cache.layers[1]))
    ours, theirs = results
    agree(ours[0].float(), theirs[0].float(), dtype)
    assert all(map(torch.equal, ours[1:], theirs[1:]))
