import pytest
import torch

from lm_envs.model.attention import Extension
from lm_envs.model.kernels.native_attention import index_error
from lm_envs.model.kv_cache import KVCache
from tests.model.engines import CPU, draw, float_dtypes, needs_compiler
from tests.model.kernels.native_kernels import (
    agree,
    both_cache_dtypes,
    check_decode_attention,
    draw_tokens,
    fill,
    make_both,
)

all_heads = pytest.mark.parametrize("heads", [(3, 3), (6, 2), (3, 1)], ids=str)
"""Heads of queries, and of keys and values."""


@needs_compiler
@float_dtypes
@both_cache_dtypes
@all_heads
@pytest.mark.parametrize("size", [16, 64, 80, 128])
def test_decode_attention_equals_pytorch_and_writes_the_same_cache(dtype, is_int8, size, heads):
    check_decode_attention(dtype, is_int8, size, heads)


@needs_compiler
@float_dtypes
@both_cache_dtypes
@pytest.mark.parametrize("size", [16, 64])
@all_heads
def test_extend_attention_equals_pytorch_and_one_token_at_a_time(dtype, is_int8, size, heads):
    rows, starts, sizes = torch.tensor([3, 0]), torch.tensor([7, 0]), torch.tensor([2, 20])
    q, k, v = draw_tokens(22, heads, size, dtype)

    def make_cache():
        shape = {"num_layers": 1, "num_rows": 4, "num_heads": heads[1], "head_size": size}
        cache = KVCache(**shape, capacity=64, dtype=torch.int8 if is_int8 else dtype, device=CPU)
        fill(cache, 0)
        return cache

    ours, theirs, one_by_one = make_cache(), make_cache(), make_cache()
    extension = Extension(rows, starts, sizes, 22, 20, 64)
    native_kernels, torch_kernels = make_both(dtype)
    together = native_kernels.extend_attention(ours, extension)(0, q, k, v)
    expected = torch_kernels.extend_attention(theirs, extension)(0, q, k, v)
    agree(together.float(), expected.float(), dtype)
    assert all(map(torch.equal, ours.layers[0], theirs.layers[0]))
    places = [(3, 7), (3, 8), *((0, position) for position in range(20))]
    for token, place in enumerate(places):
        row, start = (torch.tensor([index]) for index in place)
        single = Extension(row, start, torch.ones_like(row), 1, 1, 64)
        alone = native_kernels.extend_attention(one_by_one, single)
        part = slice(token, token + 1)
        assert torch.equal(alone(0, q[part], k[part], v[part]), together[part])


@needs_compiler
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
@pytest.mark.parametrize("kernels", make_both(torch.float32))
def test_a_value_that_is_not_finite_is_not_hidden_by_an_int8_cache(kernels, value):
    shape = {"num_layers": 1, "num_rows": 2, "num_heads": 1, "head_size": 16, "capacity": 16}
    cache = KVCache(**shape, dtype=torch.int8, device=CPU)
    q, k, v = draw(2, 3, 1, 16).unbind(1)
    v[1, 0, 3] = value
    attended = kernels.decode_attention(cache, torch.tensor([0, 0]), 16)(0, q, k, v)
    assert torch.isfinite(attended[0]).all()
    assert not torch.isfinite(attended[1]).all()


def test_indices_out_of_range_are_counted_in_the_error():
    assert "Got 3 tokens, rows or positions out of range; allowed" in str(index_error(3))
