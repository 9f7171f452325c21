import numpy as np
import torch

from lm_envs.model.batching import (
    PREFILL_MULTIPLE,
    TOKENS_PER_PASS,
    extend_rows,
    make_cache,
    padded_batches,
    prefill_rows,
    split_into_passes,
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
    states, ends = extend_rows(model, cache, rows, np.zeros(4, np.int64), prompts)
    assert ends.tolist() == [5, 155, 283, 412]
    torch.testing.assert_close(hidden[rows], states[ends - 1], rtol=0, atol=2e-5)
