import numpy as np
import pytest
import torch

from lm_envs.model.batching import (
    PREFILL_MULTIPLE,
    TOKENS_PER_PASS,
    extend_rows,
    make_cache,
    pack_arrays,
    padded_batches,
    prefill_rows,
    split_into_passes,
    to_device,
    unpack_arrays,
)
from tests.model.engines import random_tokens


def test_batches_hold_every_sequence_once_with_its_tokens():
    rng = np.random.default_rng(0)
    sequences = [random_tokens(rng, int(size)) for size in rng.integers(1, 100, 200)]
    seen = []
    for part, tokens, lengths in padded_batches(sequences):
        assert tokens.size <= TOKENS_PER_PASS
        assert tokens.shape[1] == -(-lengths.max() // PREFILL_MULTIPLE) * PREFILL_MULTIPLE
        for index, row, length in zip(part, tokens, lengths, strict=True):
            np.testing.assert_array_equal(row[:length], sequences[index])
            assert not row[length:].any()
        seen += part.tolist()
    assert sorted(seen) == list(range(200))


def test_passes_hold_every_sequence_in_order_within_the_limit():
    sequences = [np.ones(size, np.int64) for size in (1000, 1, 700, 1000, 5, 6)]
    parts = [sequences[part] for part in split_into_passes(sequences)]
    assert [len(part) for part in parts] == [4, 2]
    assert list(split_into_passes([])) == []


@torch.no_grad()
def test_prompts_of_any_length_fill_rows_as_extending_does(model):
    rng = np.random.default_rng(0)
    prompts = [random_tokens(rng, size) for size in (5, 150, 128, 129)]
    rows, hidden = np.array([3, 0, 2, 1]), torch.zeros(4, 96)
    prefill_rows(model, make_cache(model, 4, 160), rows, prompts, hidden)
    cache = make_cache(model, 4, 160)
    new = extend_rows(model, cache, rows, np.zeros(4, np.int64), prompts)
    assert new.tokens.tolist() == np.concatenate(prompts).tolist()
    assert new.first.tolist() == [0, 5, 155, 283]
    assert new.last.tolist() == [4, 154, 282, 411]
    torch.testing.assert_close(hidden[rows], new.states[new.last], rtol=0, atol=2e-5)


ARRAYS = (
    np.arange(12).reshape(3, 4),
    np.linspace(0, 1, 5, dtype=np.float32),
    np.zeros((0, 3), np.int64),
    np.array([True, False, True]),
    np.array([7]),
)


def test_packed_arrays_come_back_with_their_values_types_and_shapes():
    packed = pack_arrays(ARRAYS)
    assert packed.dtype == np.int64
    for tensor, array in zip(unpack_arrays(torch.as_tensor(packed), ARRAYS), ARRAYS, strict=True):
        assert tensor.numpy().dtype == array.dtype
        np.testing.assert_array_equal(tensor.numpy(), array)


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_arrays_on_a_device_have_their_types_and_shapes(device):
    tensors = to_device(torch.device(device), *ARRAYS)
    for tensor, array in zip(tensors, ARRAYS, strict=True):
        assert (tensor.device.type, tensor.shape) == (device, array.shape)
        assert tensor.dtype == torch.as_tensor(array).dtype
