"""Caches of fixed size: what a model reads with them, and how attention is measured."""

import copy

import numpy as np
import pytest
import torch

from lm_envs.model import loading
from lm_envs.model.lm_head import LMHead
from lm_envs.model.state.bounded_cache import BoundedCache
from tests.model.architectures.checkpoints import make_reference
from tests.model.engines import VOCABULARY, all_dtypes, make_torch_model
from tests.operations import HostCopies, Operations

SIZE, LENGTH = 6, 15


@pytest.fixture(scope="module", params=["gpt2, scaled by layer", "llama", "qwen3"])
def pair(request, tmp_path_factory):
    """A model, and the same in transformers; of the last two several heads share a key."""
    reference = copy.deepcopy(make_reference(request.param))
    reference.set_attn_implementation("eager")
    folder = tmp_path_factory.mktemp("model")
    reference.save_pretrained(folder)
    return loading.load(folder, "cpu", "float32"), reference


def draw_texts(num_rows, seed=0):
    rng = np.random.default_rng(seed)
    texts = rng.integers(1, VOCABULARY, (num_rows, LENGTH))
    return texts, rng.integers(SIZE, size=(LENGTH, num_rows))


def read(model, texts, entries, decay=None):
    """Log-probabilities (T - C, N) and attention after each token that is read."""
    rows = np.arange(len(texts))
    cache = BoundedCache(model, LMHead(model, 1, required=0), len(texts), SIZE, decay)
    attention = [cache.fill(rows, texts[:, :SIZE])]
    logprobs = []
    for place in range(SIZE, LENGTH - 1):
        at = np.full(len(rows), place)
        found, measured = cache.replace(
            rows, entries[place], texts[:, place], at, texts[:, place + 1]
        )
        logprobs.append(found)
        attention.append(measured)
    return np.array(logprobs), attention


def visible(entries):
    """Which positions each position sees, (T, T) bool, and the entry of each, for one row."""
    sees = np.tril(np.ones((LENGTH, LENGTH), bool))
    held = list(range(SIZE))
    for place in range(SIZE, LENGTH):
        held[entries[place]] = place
        sees[place] = np.isin(np.arange(LENGTH), held)
    return sees


def test_it_reads_as_transformers_does_with_a_mask_of_what_was_evicted(pair):
    model, reference = pair
    texts, entries = draw_texts(1)
    logprobs, attention = read(model, texts, entries, decay=0.5)
    sees = torch.from_numpy(visible(entries[:, 0]))
    mask = torch.zeros(1, 1, LENGTH, LENGTH).masked_fill(~sees, torch.finfo(torch.float32).min)
    with torch.no_grad():
        out = reference(torch.from_numpy(texts), attention_mask=mask, output_attentions=True)
    expected = out.logits[0].log_softmax(-1).numpy()
    places = np.arange(SIZE, LENGTH - 1)
    np.testing.assert_allclose(logprobs[:, 0], expected[places, texts[0, places + 1]], atol=1e-4)
    last = torch.cat(out.attentions, 1)[0, :, LENGTH - 2].numpy()  # (all heads, T)
    held = np.flatnonzero(sees[LENGTH - 2])
    np.testing.assert_allclose(
        np.sort(attention[-1].mean[0, 0]), np.sort(last.mean(0)[held]), atol=1e-5
    )
    np.testing.assert_allclose(
        np.sort(attention[-1].peak[0, 0]), np.sort(last.max(0)[held]), atol=1e-5
    )
    by_layer = np.stack([each[0, :, LENGTH - 2].numpy().max(0) for each in out.attentions])
    np.testing.assert_allclose(
        np.sort(attention[-1].layer_peak[0, 0]), np.sort(by_layer.mean(0)[held]), atol=1e-5
    )
    np.testing.assert_allclose(
        np.sort(attention[-1].heads[0], 1), np.sort(last[:, held], 1), atol=1e-5
    )
    first = torch.cat(out.attentions, 1)[0, :, :SIZE, :SIZE].numpy()  # (all heads, C, C)
    counts = 0.5 ** np.arange(SIZE)[::-1, None]
    np.testing.assert_allclose(attention[0].heads[0], (counts * first).sum(1), atol=1e-5)


def test_heads_are_measured_only_with_a_decay(pair):
    _, attention = read(pair[0], *draw_texts(2))
    assert {each.heads.shape for each in attention} == {(2, 0, SIZE)}


def test_what_is_evicted_matters(pair):
    """The negative control of the test above."""
    texts, entries = draw_texts(1)
    one, _ = read(pair[0], texts, entries)
    entries[SIZE] = (entries[SIZE] + 1) % SIZE
    other, _ = read(pair[0], texts, entries)
    assert np.abs(one - other).max() > 1e-2


def test_attention_to_all_entries_is_one_and_the_largest_is_not_below_the_mean(pair):
    _, attention = read(pair[0], *draw_texts(3))
    for each in attention:
        np.testing.assert_allclose(each.mean.sum(-1), 1.0, atol=1e-5)
        assert (each.layer_peak >= each.mean - 1e-6).all()
        assert (each.peak >= each.layer_peak - 1e-6).all()
    causal = np.triu(np.ones((SIZE, SIZE), bool), 1)
    assert (attention[0].mean[:, causal] == 0.0).all()


@all_dtypes
def test_a_row_has_the_same_bits_alone_and_among_others(checkpoint, dtype):
    model = loading.load(checkpoint, "cpu", dtype)
    texts, entries = draw_texts(33)
    logprobs, attention = read(model, texts, entries, decay=0.9)
    for row in (0, 7):
        alone, own = read(model, texts[[row]], entries[:, [row]], decay=0.9)
        np.testing.assert_array_equal(alone[:, 0], logprobs[:, row])
        other, _ = read(model, texts[[row]], (entries[:, [row]] + 1) % SIZE)
        assert not np.array_equal(other[:, 0], logprobs[:, row])  # the control
        for one, other in zip(own, attention, strict=True):
            for field, all_rows in zip(one, other, strict=True):
                np.testing.assert_array_equal(field[0], all_rows[row])


def test_rows_that_are_not_named_stay(pair):
    texts, entries = draw_texts(3)
    expected, _ = read(pair[0], texts, entries)
    cache = BoundedCache(pair[0], LMHead(pair[0], 1, required=0), 3, SIZE)
    for row in (2, 0, 1):
        cache.fill(np.array([row]), texts[[row], :SIZE])
    place = np.array([SIZE])
    for row in (1, 2, 0):
        own = (entries[SIZE, [row]], texts[[row], SIZE], place, texts[[row], SIZE + 1])
        found, _ = cache.replace(np.array([row]), *own)
        np.testing.assert_allclose(found, expected[0, [row]], atol=1e-5)


@pytest.mark.parametrize("decay", [None, 0.9])
def test_a_step_copies_once_each_way_and_the_host_waits_for_nothing_else(monkeypatch, decay):
    """On PyTorch's device "meta", whose tensors have no numbers."""
    texts, entries = draw_texts(4)
    rows = np.arange(4)
    step = (entries[SIZE], texts[:, SIZE], np.full(4, SIZE), texts[:, SIZE + 1])
    for device in ("meta", "cpu"):
        model = make_torch_model(monkeypatch, device)
        cache = BoundedCache(model, LMHead(model, 1, required=0), 4, SIZE, decay)
        for size in (4, 2):
            with HostCopies() as copies, Operations() as found:
                cache.fill(rows[:size], texts[:size, :SIZE])
                cache.replace(rows[:size], *(each[:size] for each in step))
            assert found.waits == 0
            if device == "meta":
                assert (copies.to_device, copies.to_host) == (2, 2)
