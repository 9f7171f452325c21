import numpy as np
import pytest
import torch

from lm_envs.model.kv_cache import KVCache
from lm_envs.model.state.prefixes import copy_between_rows, copy_prefixes, restore_prefixes
from tests.model.engines import CPU, draw
from tests.model.state.replay import Recorder

both_dtypes = pytest.mark.parametrize("dtype", [torch.float32, torch.int8])
both_ways = pytest.mark.parametrize("at_once", [False, True])

NUM_ROWS, CAPACITY = 64, 16


def make_cache(dtype, seed=0):
    """A cache whose every position holds random keys and values."""
    shape = {"num_layers": 2, "num_rows": NUM_ROWS, "num_heads": 3, "head_size": 8}
    cache = KVCache(**shape, capacity=CAPACITY, dtype=dtype, device=CPU)
    rows = torch.arange(NUM_ROWS).repeat_interleave(CAPACITY)
    mapping = cache.slot_mapping(rows, torch.arange(CAPACITY).repeat(NUM_ROWS))
    for layer in (0, 1):
        keys, values = draw(2, len(rows), 3, 8, seed=seed + layer)
        cache.write(layer, mapping, keys, values)
    return cache


def stored(cache, row, length=CAPACITY):
    """What a row holds, as one list of numbers."""
    return torch.cat([part.flatten().float() for part in cache.get_prefix(row, length)])


@both_dtypes
@both_ways
def test_copies_hold_their_rows_positions_and_do_not_change_with_the_cache(dtype, at_once):
    cache, rows, lengths = make_cache(dtype), np.array([3, 0, 4]), np.array([5, 1, 16])
    expected = [stored(cache, row, length) for row, length in zip(rows, lengths, strict=True)]
    copies = copy_prefixes(cache, rows, lengths, at_once=at_once)
    for row in rows:
        cache.set_prefix(row, cache.get_prefix(7, CAPACITY))
    for copied, numbers in zip(copies, expected, strict=True):
        assert torch.equal(torch.cat([part.flatten().float() for part in copied]), numbers)
        sizes = [part.untyped_storage().nbytes() for part in copied]
        assert sizes == [part.nbytes for part in copied]  # nothing else is kept in memory


@both_dtypes
@both_ways
def test_restored_rows_hold_the_texts_and_other_positions_stay(dtype, at_once):
    cache, other, before = make_cache(dtype, seed=5), make_cache(dtype), make_cache(dtype, seed=5)
    sources, rows, lengths = np.array([3, 0, 4]), np.array([1, 6, 5]), np.array([5, 1, 16])
    texts = copy_prefixes(other, sources, lengths)
    restore_prefixes(cache, rows, texts, at_once=at_once)
    for source, row, length in zip(sources, rows, lengths, strict=True):
        assert torch.equal(stored(cache, row, length), stored(other, source, length))
    for now, then in zip(cache.layers[1], before.layers[1], strict=True):
        assert torch.equal(now[6, :, 1:], then[6, :, 1:])
        assert torch.equal(now[[0, 2, 3, 4, 7]], then[[0, 2, 3, 4, 7]])


@both_dtypes
@both_ways
def test_rows_may_change_places(dtype, at_once):
    cache, before = make_cache(dtype), make_cache(dtype)
    lengths = np.array([5, 16, 16])
    copy_between_rows(cache, np.array([0, 1, 2]), np.array([1, 0, 0]), lengths, at_once=at_once)
    assert torch.equal(stored(cache, 0, 5), stored(before, 1, 5))
    assert torch.equal(stored(cache, 1), stored(before, 0))
    assert torch.equal(stored(cache, 2), stored(before, 0))


def count_launches(call):
    """Operations that write numbers, whether into new memory or not."""
    with Recorder() as found:
        call()
    return sum(
        func._schema.is_mutable or any(is_own)
        for func, _, _, _, is_own in found.operations
        if "empty" not in str(func)
    )


def launches(num_rows):
    cache, rows, lengths = make_cache(torch.float32), np.arange(num_rows), np.full(num_rows, 9)
    texts = copy_prefixes(cache, rows, lengths, at_once=True)
    calls = (
        lambda: copy_prefixes(cache, rows, lengths, at_once=True),
        lambda: restore_prefixes(cache, rows, texts, at_once=True),
        lambda: copy_between_rows(cache, rows, rows, lengths, at_once=True),
    )
    return [count_launches(call) for call in calls]


def test_the_launches_on_a_gpu_do_not_depend_on_the_number_of_rows():
    assert launches(1) == launches(NUM_ROWS)
    assert max(launches(1)) <= 14
