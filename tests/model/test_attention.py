import pytest
import torch
import torch.nn.functional as F

from lm_envs.model.attention import (
    DecodeAttention,
    ExtendAttention,
    Extension,
    OptionAttention,
    PrefillAttention,
)
from lm_envs.model.kv_cache import KVCache
from tests.model.engines import CPU, draw

HEADS, SIZE, LENGTH = 3, 16, 9


@pytest.fixture
def cache():
    shape = {"num_layers": 1, "num_rows": 2, "num_heads": HEADS, "head_size": SIZE}
    return KVCache(**shape, capacity=32, dtype=torch.float32, device=CPU)


@pytest.fixture
def sequence():
    """Queries, keys and values (T, H, d) of one sequence."""
    return draw(LENGTH, 3, HEADS, SIZE).unbind(1)


def causal(q, k, v):
    """Causal attention (T, D) inside one sequence, by PyTorch."""
    heads = (x.transpose(0, 1) for x in (q, k, v))
    return F.scaled_dot_product_attention(*heads, is_causal=True).transpose(0, 1).flatten(1)


def agree(found, expected):
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_prefill_is_causal_in_each_sequence_and_ignores_padding(cache, sequence):
    other = draw(LENGTH, 3, HEADS, SIZE, seed=1).unbind(1)
    both = [torch.cat(pair) for pair in zip(sequence, other, strict=True)]
    rows = torch.tensor([1, 0])
    found = PrefillAttention(cache, rows, LENGTH)(0, *both).view(2, LENGTH, -1)
    agree(found[0], causal(*sequence))
    agree(found[1], causal(*other))
    assert torch.equal(cache.read(0, LENGTH)[0][1].transpose(0, 1), sequence[1])


def test_decoding_and_extending_continue_a_prefill(cache, sequence):
    expected = causal(*sequence)
    row, start = torch.tensor([1]), 4
    PrefillAttention(cache, row, start)(0, *(x[:start] for x in sequence))
    extension = Extension(row, torch.tensor([start]), torch.tensor([4]), 4, 4, 16)
    extend = ExtendAttention(cache, extension)
    agree(extend(0, *(x[start : start + 4] for x in sequence)), expected[start : start + 4])
    decode = DecodeAttention(cache, torch.tensor([0, LENGTH - 1]), 16)
    last = [torch.cat([x[:1], x[-1:]]) for x in sequence]
    agree(decode(0, *last), expected[[0, LENGTH - 1]])


def test_options_see_the_row_and_themselves_only(cache, sequence):
    start, row = 5, torch.tensor([1])
    PrefillAttention(cache, row, start)(0, *(x[:start] for x in sequence))
    before = [part.clone() for part in cache.layers[0]]
    attend = OptionAttention(cache, row, torch.tensor([start]), 16, (2, 4))
    other = draw(4, 3, HEADS, SIZE, seed=2).unbind(1)
    options = [torch.cat([x[start:], y]) for x, y in zip(sequence, other, strict=True)]
    found = attend(0, *options)
    agree(found[:4], causal(*sequence)[start:])
    whole = [torch.cat([x[:start], y]) for x, y in zip(sequence, other, strict=True)]
    agree(found[4:], causal(*whole)[start:])
    assert all(map(torch.equal, cache.layers[0], before))
