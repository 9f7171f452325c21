import copy
import platform

import numpy as np
import pytest
import torch

from lm_envs.model.kernels import build, native
from lm_envs.model.kernels.base import HeadNorms, RMSNorm
from lm_envs.model.kernels.torch_ops import TorchKernels
from lm_envs.model.kv_cache import KVCache
from tests.model.engines import CPU, VOCABULARY, draw, float_dtypes, needs_compiler, walk
from tests.model.kernels.native_kernels import (
    agree,
    both_cache_dtypes,
    check_decode_attention,
    make_both,
)

ROWS, WIDTH = 5, 96
ONE_STEP = 1e-3
"""What changes at most where a number between two int8 values is rounded to either."""


@needs_compiler
@float_dtypes
def test_embed_equals_pytorch(dtype):
    tokens, positions = torch.tensor([3, 0, 699]), torch.tensor([0, 7, 31])
    tokens_table, positions_table = draw(VOCABULARY, WIDTH, dtype=dtype), draw(32, WIDTH)
    ours, theirs = (
        kernels.embed(tokens, positions, tokens_table, positions_table)
        for kernels in make_both(dtype)
    )
    assert torch.equal(ours, theirs)


@needs_compiler
@float_dtypes
@pytest.mark.parametrize("is_last", [False, True])
def test_add_norm_equals_pytorch(dtype, is_last):
    norm = (draw(WIDTH, seed=1), draw(WIDTH, seed=2), 1e-5)
    streams = []
    for kernels in make_both(dtype):
        x, y = 3.0 + draw(ROWS, WIDTH), draw(ROWS, WIDTH, dtype=dtype, seed=3)
        normed = kernels.add_norm(x, y, norm, torch.float32 if is_last else dtype)
        streams.append((x, normed))
    (ours, our_norm), (theirs, their_norm) = streams
    assert torch.equal(ours, theirs)
    assert our_norm.dtype == their_norm.dtype
    agree(our_norm, their_norm, dtype)


@needs_compiler
@float_dtypes
@pytest.mark.parametrize("is_last", [False, True])
@pytest.mark.parametrize("is_first", [False, True])
def test_add_rms_norm_equals_pytorch(dtype, is_first, is_last):
    norm = RMSNorm(draw(WIDTH, seed=1), 1e-5)
    streams = []
    for kernels in make_both(dtype):
        x, y = 3.0 + draw(ROWS, WIDTH), draw(ROWS, WIDTH, dtype=dtype, seed=3)
        added = None if is_first else y
        normed = kernels.add_rms_norm(x, added, norm, torch.float32 if is_last else dtype)
        streams.append((x, normed))
    (ours, our_norm), (theirs, their_norm) = streams
    assert torch.equal(ours, theirs)
    assert our_norm.dtype == their_norm.dtype
    agree(our_norm, their_norm, dtype)


@needs_compiler
@float_dtypes
@pytest.mark.parametrize("has_norms", [False, True])
@pytest.mark.parametrize("size", [16, 48, 64])
def test_rotate_equals_pytorch_and_leaves_values_alone(dtype, size, has_norms):
    norms = HeadNorms(draw(size, seed=1), draw(size, seed=2), 1e-5) if has_norms else None
    turns, before = draw(ROWS, size, seed=3), draw(ROWS, (4 + 2 * 2) * size, dtype=dtype)
    ours, theirs = before.clone(), before.clone()
    for kernels, qkv in zip(make_both(dtype), (ours, theirs), strict=True):
        kernels.rotate(qkv, turns, (4, 2), norms)
    agree(ours, theirs, dtype)
    assert torch.equal(ours[:, 6 * size :], before[:, 6 * size :])
    assert not torch.equal(ours[:, : 6 * size], before[:, : 6 * size])


@needs_compiler
@float_dtypes
def test_silu_product_equals_pytorch(dtype):
    x = 6 * draw(ROWS, 2 * WIDTH, dtype=dtype)
    x[0, :2] = torch.tensor([-200.0, 200.0])
    ours, theirs = (kernels.silu_product(x) for kernels in make_both(dtype))
    agree(ours, theirs, dtype)


@needs_compiler
@float_dtypes
@pytest.mark.parametrize("vocab_size", [20, 700, 50_257])
def test_top_k_are_found_by_rounded_logits_and_ordered_by_exact_ones(dtype, vocab_size):
    hidden = draw(ROWS, WIDTH, seed=1)
    embeddings, center = draw(vocab_size, WIDTH, dtype=dtype, seed=2), None
    exact = hidden @ embeddings.float().T
    if dtype != torch.float32:
        center = draw(WIDTH, seed=3)
        exact = hidden @ (embeddings.float() - center).T
    logits = exact.to(dtype)
    found = native.kernels(dtype).top_k(logits, hidden, embeddings, center, 16, 5)
    tokens = torch.arange(vocab_size)
    for row in range(ROWS):
        expected = np.lexsort((tokens, -logits[row].float()))[:16]
        expected = expected[np.lexsort((expected, -exact[row, expected]))]
        if 5 not in expected:
            expected[-1] = 5
        assert found.candidates[row].tolist() == expected.tolist()
        logprobs = exact[row, expected] - logits[row].float().logsumexp(-1)
        torch.testing.assert_close(found.logprobs[row], logprobs, rtol=1e-5, atol=1e-4)
        agree(found.log_z[row], logits[row].float().logsumexp(-1), torch.float32)


@needs_compiler
@float_dtypes
def test_quantize_equals_pytorch(dtype):
    x = draw(ROWS, WIDTH, dtype=dtype)
    x[1] = 0.0
    (our_values, our_scales), (values, scales) = (
        kernels.quantize(x) for kernels in make_both(dtype)
    )
    agree(our_scales, scales, torch.float32)
    assert (our_values.int() - values.int()).abs().max() <= 1  # halves may round either way
    assert (our_values != values).float().mean() < 0.01
    assert (our_values[1] == 128).all()


@needs_compiler
@float_dtypes
@pytest.mark.parametrize("gelu", [False, True])
@pytest.mark.parametrize("width", [4, 96, 100, 700])
def test_dequantize_equals_pytorch(dtype, gelu, width):
    """Regression: bias and activation were left out behind the last multiple of 16."""
    sums, scales = 100 * draw(ROWS, width), draw(ROWS, seed=1).abs() / 20
    bias = draw(width, seed=2)
    ours, theirs = (
        kernels.dequantize(sums, scales, bias, gelu=gelu, dtype=dtype)
        for kernels in make_both(dtype)
    )
    agree(ours, theirs, dtype)


@needs_compiler
def test_equally_likely_tokens_are_ordered_by_id():
    logits = torch.zeros(1, 50_257)
    logits[0, [40_000, 7, 300]] = 1.0
    embeddings = torch.zeros(50_257, WIDTH)
    kernels = native.kernels(torch.float32)
    found = kernels.top_k(logits, torch.zeros(1, WIDTH), embeddings, None, 6, 1)
    assert found.candidates[0].tolist() == [7, 300, 40_000, 0, 1, 2]


@needs_compiler
@float_dtypes
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_a_logit_that_is_not_finite_makes_its_row_nan(dtype, value):
    logits = draw(2, 5_000, dtype=dtype)
    logits[1, 4_321] = value
    hidden, embeddings = torch.zeros(2, WIDTH), torch.zeros(5_000, WIDTH, dtype=dtype)
    found = native.kernels(dtype).top_k(logits, hidden, embeddings, torch.zeros(WIDTH), 16, 0)
    assert torch.isfinite(found.logprobs[0]).all()
    assert torch.isnan(found.logprobs[1]).all()


@needs_compiler
def test_nan_stays_nan_in_bfloat16():
    x = draw(1, WIDTH)
    x[0, 3] = torch.nan
    norm = (torch.ones(WIDTH), torch.zeros(WIDTH), 1e-5)
    normed = native.kernels(torch.bfloat16).add_norm(x, None, norm, torch.bfloat16)
    assert torch.isnan(normed).all()


@needs_compiler
@float_dtypes
def test_a_row_depends_on_no_other_row_and_not_on_the_number_of_threads(dtype):
    kernels = native.kernels(dtype)
    logits, hidden = draw(ROWS, VOCABULARY, dtype=dtype), draw(ROWS, WIDTH, seed=1)
    embeddings, center = draw(VOCABULARY, WIDTH, dtype=dtype, seed=2), draw(WIDTH, seed=3)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        together = kernels.top_k(logits, hidden, embeddings, center, 16, 0)
        torch.set_num_threads(1)
        alone = kernels.top_k(logits[2:3], hidden[2:3], embeddings, center, 16, 0)
    finally:
        torch.set_num_threads(threads)
    for many, one in zip(together, alone, strict=True):
        assert torch.equal(many[2:3], one)


@needs_compiler
@float_dtypes
@both_cache_dtypes
def test_an_index_out_of_range_is_refused(dtype, is_int8):
    kernels, table, places = native.kernels(dtype), draw(9, 16, dtype=dtype), draw(4, 16)
    good, bad = torch.tensor([0, 8]), torch.tensor([0, 9])
    for tokens, positions in ((bad, good), (good, torch.tensor([0, -1]))):
        with pytest.raises(IndexError):
            kernels.embed(tokens, positions.clamp(max=3), table, places)
    with pytest.raises(IndexError):
        kernels.token_logits(draw(2, 16), table, None, bad[:, None])
    cache = KVCache(
        num_layers=1,
        num_rows=2,
        num_heads=1,
        head_size=16,
        capacity=64,
        dtype=torch.int8 if is_int8 else dtype,
        device=CPU,
    )
    q, k, v = draw(2, 3, 1, 16, dtype=dtype).unbind(1)
    with pytest.raises(IndexError):
        kernels.decode_attention(cache, torch.tensor([0, 64]), 64)(0, q, k, v)


@pytest.fixture(scope="module")
def narrow_library(tmp_path_factory):
    """The kernels, compiled as for a processor without vectors of 512 bits."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("narrow")))
        patch.setattr(build, "FLAGS", (*build.FLAGS, "-mno-avx512f"))
        return build.library.__wrapped__()


@needs_compiler
@pytest.mark.skipif(platform.machine() != "x86_64", reason="AVX-512 belongs to x86-64")
@float_dtypes
def test_narrower_vectors_agree_too(dtype, narrow_library, monkeypatch):
    """Regression: without AVX-512 a NaN logit was hidden."""
    monkeypatch.setattr(build, "library", lambda: narrow_library)
    assert native.kernels(dtype).linear(draw(32, 16), None, gelu=False, int8=False) is None
    test_add_norm_equals_pytorch(dtype, is_last=False)
    test_add_rms_norm_equals_pytorch(dtype, is_first=False, is_last=False)
    test_rotate_equals_pytorch_and_leaves_values_alone(dtype, 48, has_norms=True)
    test_silu_product_equals_pytorch(dtype)
    for is_int8 in (False, True):
        check_decode_attention(dtype, is_int8, 64, (4, 2))
    test_top_k_are_found_by_rounded_logits_and_ordered_by_exact_ones(dtype, 700)
    test_dequantize_equals_pytorch(dtype, gelu=True, width=96)
    for value in (torch.nan, torch.inf):
        test_a_logit_that_is_not_finite_makes_its_row_nan(dtype, value)


@needs_compiler
def test_the_engine_computes_the_same_with_either_kernels(model):
    other = copy.copy(model)
    other.kernels = TorchKernels()
    for (ours, _), (theirs, _) in zip(walk(model, 4, 60), walk(other, 4, 60), strict=True):
        assert np.array_equal(ours.candidates[:, 0], theirs.candidates[:, 0])
        np.testing.assert_allclose(ours.logprobs, theirs.logprobs, rtol=0, atol=2e-5)
        np.testing.assert_allclose(ours.chosen, theirs.chosen, rtol=0, atol=2e-5)


@needs_compiler
def test_the_engine_computes_the_same_from_an_int8_cache_with_either_kernels(model):
    other = copy.copy(model)
    other.kernels = TorchKernels()
    walks = (walk(each, 4, 60, cache_dtype="int8") for each in (model, other))
    for (ours, _), (theirs, _) in zip(*walks, strict=True):
        np.testing.assert_allclose(ours.hidden, theirs.hidden, rtol=0, atol=ONE_STEP)
        np.testing.assert_allclose(ours.chosen, theirs.chosen, rtol=0, atol=ONE_STEP)
