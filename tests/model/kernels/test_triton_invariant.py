import pytest
import torch

from lm_envs.model.attention import Extension
from lm_envs.model.kernels.base import HeadNorms, RMSNorm
from tests.model.engines import float_dtypes
from tests.model.kernels.triton_kernels import (
    INVARIANT,
    TORCH,
    TRITON,
    agree,
    draw_there,
    make_cache,
    put,
)

pytestmark = pytest.mark.gpu

HEADS, SIZE, LENGTH = (4, 2), 16, 90
"""Heads of queries, and of keys and values; numbers of a head; tokens of the text."""

both_cache_dtypes = pytest.mark.parametrize("is_int8", [False, True])


def draw_text(dtype):
    """Queries (T, H, d), keys and values (T, H_kv, d) of a text."""
    parts = (HEADS[0], HEADS[1], HEADS[1])
    return draw_there(LENGTH, sum(parts), SIZE, dtype=dtype).split(parts, 1)


def read(kernels, text, cuts, dtype, is_int8):
    """Attention (T, H d) of a text that is read in parts, into row 3 of a cache."""
    cache = make_cache(dtype, torch.int8 if is_int8 else dtype, HEADS[1], SIZE)
    found = []
    for start, stop in zip((0, *cuts), (*cuts, LENGTH), strict=True):
        extension = Extension(put(3), put(start), put(stop - start), stop - start, 90, 96)
        attend = kernels.extend_attention(cache, extension)
        found.append(attend(0, *(part[start:stop] for part in text)))
    return torch.cat(found)


@float_dtypes
@both_cache_dtypes
def test_a_text_at_once_in_parts_and_token_by_token_has_the_same_bits(dtype, is_int8):
    text = draw_text(dtype)
    whole = read(INVARIANT, text, (), dtype, is_int8)
    assert torch.equal(read(INVARIANT, text, (5, 6, 70), dtype, is_int8), whole)
    cache = make_cache(dtype, torch.int8 if is_int8 else dtype, HEADS[1], SIZE)
    prefix = Extension(put(2), put(0), put(LENGTH - 1), LENGTH - 1, LENGTH - 1, 96)
    INVARIANT.extend_attention(cache, prefix)(0, *(part[:-1] for part in text))
    last = torch.cat([part[-1:] for part in text], 1).expand(6, -1, -1).contiguous()
    tokens = last.split([HEADS[0], HEADS[1], HEADS[1]], 1)
    attend = INVARIANT.decode_attention(cache, put(3, 7, LENGTH - 1, 50, 0, 20), 96)
    assert torch.equal(attend(0, *tokens)[2], whole[-1])


def test_the_faster_attention_has_other_bits_in_parts():
    """The control: there a text is divided into blocks where its new tokens begin."""
    text = draw_text(torch.float32)
    whole, parts = (read(TRITON, text, cuts, torch.float32, False) for cuts in ((), (5, 6, 70)))
    assert not torch.equal(parts, whole)
    agree(parts, whole, torch.float32)


@float_dtypes
@both_cache_dtypes
def test_attention_equals_that_of_pytorch(dtype, is_int8):
    text = draw_text(dtype)
    found, expected = (read(each, text, (40,), dtype, is_int8) for each in (INVARIANT, TORCH))
    agree(found, expected, dtype)


def test_texts_and_options_without_a_cache_entry_equal_those_of_pytorch():
    text = [part[:24] for part in draw_text(torch.float32)]
    found, expected = (
        kernels.prefill_attention(None, put(0, 1), 12)(0, *text) for kernels in (INVARIANT, TORCH)
    )
    agree(found, expected, torch.float32)
    cache = make_cache(torch.float32, torch.float32, HEADS[1], SIZE)
    found, expected = (
        kernels.option_attention(cache, put(3, 1), put(70, 10), 80, (3, 4))(0, *text)
        for kernels in (INVARIANT, TORCH)
    )
    agree(found, expected, torch.float32)


@float_dtypes
def test_root_mean_square_norms_equal_those_of_pytorch(dtype):
    x, update = draw_there(7, 48), draw_there(7, 48, dtype=dtype, seed=1)
    norm, turns = RMSNorm(draw_there(48, seed=2), 1e-6), draw_there(7, 16, seed=3)
    head_norms = HeadNorms(*draw_there(2, 16, seed=4), 1e-6)
    qkv = [draw_there(7, 8 * 16, dtype=dtype, seed=5) for _ in range(2)]
    for kernels, own in zip((INVARIANT, TORCH), qkv, strict=True):
        kernels.rotate(own, turns, HEADS, head_norms)
    agree(*qkv, dtype)
    results = [each.add_rms_norm(x.clone(), update, norm, dtype) for each in (INVARIANT, TORCH)]
    agree(*results, dtype)


def test_log_sums_equal_those_of_pytorch_and_do_not_depend_on_where_a_row_begins():
    logits = 5 * draw_there(5, 2501)
    logits[1, :1500] = -torch.inf
    finite = put(0, 2000, 0, 0, 0)
    found = INVARIANT.log_sum_exp(logits, finite)
    torch.testing.assert_close(found, logits.logsumexp(-1), rtol=1e-6, atol=1e-6)
    wide = torch.zeros(5, 2560, device=logits.device)
    wide[:, :2501] = logits
    assert torch.equal(INVARIANT.log_sum_exp(wide[:, :2501], finite), found)
    assert torch.equal(INVARIANT.log_sum_exp(logits[3:4], finite[:1]), found[3:4])


def test_of_equal_logits_the_first_are_the_largest():
    logits = torch.tensor([[2.0, 3.0, 2.0, 2.0, 1.0]], device=put(0).device)
    assert INVARIANT.largest(logits, 3).tolist() == [[1, 0, 2]]
