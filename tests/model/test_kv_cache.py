import pytest
import torch

from lm_envs.model.kv_cache import KVCache, get_format, round_up
from tests.model.engines import CPU, draw, float_dtypes

SHAPE = {"num_layers": 2, "num_rows": 3, "num_heads": 4, "head_size": 16, "capacity": 20}


def make_cache(dtype=torch.float32):
    return KVCache(**SHAPE, dtype=dtype, device=CPU)


def test_round_up_returns_the_smallest_multiple():
    assert [round_up(value, 4) for value in (0, 1, 4, 5)] == [0, 4, 4, 8]


@float_dtypes
def test_a_float_format_stores_vectors_unchanged(dtype):
    stored, x = get_format(dtype), draw(3, 5, 16, dtype=dtype)
    assert torch.equal(stored.decode(stored.encode(x)), x)


@pytest.mark.parametrize("scale", [1e-20, 1.0, 1e20])
def test_int8_values_are_off_by_at_most_half_a_step_of_their_vector(scale):
    stored, x = get_format(torch.int8), scale * draw(40, 6, 64)
    step = x.abs().amax(-1, keepdim=True) / 127
    decoded = stored.decode(stored.encode(x))
    assert ((decoded - x).abs() <= 0.501 * step).all()
    assert torch.equal(stored.decode(stored.encode(decoded)), decoded)


def test_int8_stores_vectors_of_zeros_as_zeros():
    stored, x = get_format(torch.int8), torch.zeros(2, 16)
    assert torch.equal(stored.decode(stored.encode(x)), x)


def test_capacity_is_rounded_up_to_whole_blocks():
    assert make_cache().capacity == 32


@pytest.mark.parametrize("dtype", [torch.float32, torch.int8])
def test_written_vectors_are_read_at_their_rows_and_positions(dtype):
    cache = make_cache(dtype)
    keys, values = draw(2, 4, 16), draw(2, 4, 16, seed=1)
    mapping = cache.slot_mapping(torch.tensor([2, 0]), torch.tensor([5, 1]))
    stored_keys, stored_values = cache.write(1, mapping, keys, values)
    read_keys, read_values = cache.read(1, 8)
    for token, (row, position) in enumerate(((2, 5), (0, 1))):
        assert torch.equal(read_keys[row, :, position], stored_keys[token])
        assert torch.equal(read_values[row, :, position], stored_values[token])
    assert torch.equal(stored_keys, cache.as_stored(keys))
    assert (read_keys != 0).any(-1).sum() == 2 * 4
    assert not cache.read(0, 8)[0].any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.int8])
def test_a_prefix_copied_to_another_row_is_read_there(dtype):
    cache = make_cache(dtype)
    rows, positions = torch.full((6,), 2), torch.arange(6)
    for layer in (0, 1):
        mapping = cache.slot_mapping(rows, positions)
        cache.write(layer, mapping, draw(6, 4, 16, seed=layer), draw(6, 4, 16, seed=9))
    cache.set_prefix(0, cache.get_prefix(2, 4))
    for layer in (0, 1):
        for stored in cache.read(layer, 6):
            assert torch.equal(stored[0, :, :4], stored[2, :, :4])
            assert not stored[0, :, 4:].any()


def test_num_bytes_counts_values_and_scales():
    vectors = 2 * 2 * 3 * 4 * 32
    assert make_cache().num_bytes == vectors * 16 * 4
    assert make_cache(torch.int8).num_bytes == vectors * (16 + 4)
