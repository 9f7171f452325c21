import copy
import os
import platform
import subprocess
import sys

import numpy as np
import pytest
import torch

from lm_envs.model.kernels import native
from lm_envs.model.kernels.base import kernels_for
from lm_envs.model.kernels.torch_ops import TorchKernels
from lm_envs.model.kv_cache import KVCache
from lm_envs.model.kv_format import format_of

needs_compiler = pytest.mark.skipif(
    native.kernels(torch.float32) is None, reason=f"kernels are {native.status()}"
)
CPU = torch.device("cpu")
ROWS, HEADS, WIDTH, WORDS = 5, 3, 96, 700
TOLERANCE = {torch.float32: 3e-6, torch.bfloat16: 2e-2}
both_types = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
both_formats = pytest.mark.parametrize("in_codes", [False, True])


def draw(*shape, dtype=torch.float32, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def both(dtype):
    return native.kernels(dtype), TorchKernels()


def agree(ours, theirs, dtype):
    torch.testing.assert_close(ours, theirs, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


def fill(slots, layer):
    """Lets a layer's slots hold something everywhere."""
    parts = slots.parts(layer)
    keys, values = (format_of(slots.dtype).encode(draw(*parts[0].shape, seed=i)) for i in (1, 2))
    for part, kept in zip(parts, (*keys, *values), strict=True):
        part.copy_(kept)


@needs_compiler
@both_types
def test_embeddings_are_the_sum_of_word_and_place(dtype):
    tokens, positions = torch.tensor([3, 0, 699]), torch.tensor([0, 7, 31])
    words, places = draw(WORDS, WIDTH, dtype=dtype), draw(32, WIDTH)
    ours, theirs = (kernels.embed(tokens, positions, words, places) for kernels in both(dtype))
    assert torch.equal(ours, theirs)


@needs_compiler
@both_types
@pytest.mark.parametrize("is_last", [False, True])
def test_sums_and_norms_are_those_of_pytorch(dtype, is_last):
    norm = (draw(WIDTH, seed=1), draw(WIDTH, seed=2), 1e-5)
    streams = []
    for kernels in both(dtype):
        x, y = 3.0 + draw(ROWS, WIDTH), draw(ROWS, WIDTH, dtype=dtype, seed=3)
        normed = kernels.add_norm(x, y, norm, torch.float32 if is_last else dtype)
        streams.append((x, normed))
    (ours, our_norm), (theirs, their_norm) = streams
    assert torch.equal(ours, theirs)
    assert our_norm.dtype == their_norm.dtype
    agree(our_norm, their_norm, dtype)


@needs_compiler
@both_types
@both_formats
@pytest.mark.parametrize("size", [16, 64, 80, 128])
def test_attention_is_that_of_pytorch_and_writes_the_same_slots(dtype, in_codes, size):
    positions = torch.tensor([0, 1, 15, 16, 99])
    results = []
    for kernels in both(dtype):
        slots = KVCache(
            num_layers=2,
            num_rows=ROWS,
            num_heads=HEADS,
            head_size=size,
            capacity=100,
            dtype=torch.int8 if in_codes else dtype,
            device=CPU,
        )
        fill(slots, 1)
        q, k, v = draw(ROWS, 3, HEADS, size, dtype=dtype).unbind(1)
        attended = kernels.decode(slots, positions, 100)(1, q, k, v)
        results.append((attended, *slots.parts(1)))
    ours, theirs = results
    agree(ours[0].float(), theirs[0].float(), dtype)
    assert all(map(torch.equal, ours[1:], theirs[1:]))


@needs_compiler
@both_types
@both_formats
@pytest.mark.parametrize("size", [16, 64])
def test_further_tokens_attend_as_pytorch_s_do_and_as_if_they_came_one_by_one(
    dtype, in_codes, size
):
    rows, starts, sizes = torch.tensor([3, 0]), torch.tensor([7, 0]), torch.tensor([2, 20])
    q, k, v = draw(22, 3, HEADS, size, dtype=dtype).unbind(1)

    def slots():
        shape = {"num_layers": 1, "num_rows": 4, "num_heads": HEADS, "head_size": size}
        made = KVCache(**shape, capacity=64, dtype=torch.int8 if in_codes else dtype, device=CPU)
        fill(made, 0)
        return made

    ours, theirs, one_by_one = slots(), slots(), slots()
    native_ones, eager_ones = both(dtype)
    together = native_ones.extend(ours, rows, starts, sizes, 64)(0, q, k, v)
    expected = eager_ones.extend(theirs, rows, starts, sizes, 64)(0, q, k, v)
    agree(together.float(), expected.float(), dtype)
    assert all(map(torch.equal, ours.parts(0), theirs.parts(0)))
    places = [(3, 7), (3, 8), *((0, position) for position in range(20))]
    for token, place in enumerate(places):
        row, start = (torch.tensor([index]) for index in place)
        alone = native_ones.extend(one_by_one, row, start, torch.ones_like(row), 64)
        part = slice(token, token + 1)
        assert torch.equal(alone(0, q[part], k[part], v[part]), together[part])


@needs_compiler
@both_types
@pytest.mark.parametrize("num_words", [20, 700, 50_257])
def test_best_words_are_found_by_rounded_logits_and_ordered_by_exact_ones(dtype, num_words):
    hidden = draw(ROWS, WIDTH, seed=1)
    embeddings, center = draw(num_words, WIDTH, dtype=dtype, seed=2), None
    exact = hidden @ embeddings.float().T
    if dtype != torch.float32:
        center = draw(WIDTH, seed=3)
        exact = hidden @ (embeddings.float() - center).T
    logits = exact.to(dtype)
    found = native.kernels(dtype).best(logits, hidden, embeddings, center, 16, 5)
    words = torch.arange(num_words)
    for row in range(ROWS):
        expected = np.lexsort((words, -logits[row].float()))[:16]
        expected = expected[np.lexsort((expected, -exact[row, expected]))]
        if 5 not in expected:
            expected[-1] = 5
        assert found.candidates[row].tolist() == expected.tolist()
        logprobs = exact[row, expected] - logits[row].float().logsumexp(-1)
        torch.testing.assert_close(found.logprobs[row], logprobs, rtol=1e-5, atol=1e-4)
        agree(found.log_z[row], logits[row].float().logsumexp(-1), torch.float32)


@needs_compiler
@both_types
def test_codes_are_those_of_pytorch(dtype):
    x = draw(ROWS, WIDTH, dtype=dtype)
    x[1] = 0.0
    (our_codes, our_scales), (codes, scales) = (kernels.quantize(x) for kernels in both(dtype))
    agree(our_scales, scales, torch.float32)
    assert (our_codes.int() - codes.int()).abs().max() <= 1  # halves may round either way
    assert (our_codes != codes).float().mean() < 0.01
    assert (our_codes[1] == 128).all()


@needs_compiler
@both_types
@pytest.mark.parametrize("gelu", [False, True])
@pytest.mark.parametrize("width", [96, 700])
def test_rescaled_sums_are_those_of_pytorch(dtype, gelu, width):
    sums, scales = 100 * draw(ROWS, width), draw(ROWS, seed=1).abs() / 20
    bias = draw(width, seed=2) if width == 96 else None
    ours, theirs = (
        kernels.dequantize(sums, scales, bias, gelu=gelu and width == 96, dtype=dtype)
        for kernels in both(dtype)
    )
    agree(ours, theirs, dtype)


@needs_compiler
def test_equal_words_come_by_their_id():
    logits = torch.zeros(1, 50_257)
    logits[0, [40_000, 7, 300]] = 1.0
    embeddings = torch.zeros(50_257, WIDTH)
    kernels = native.kernels(torch.float32)
    found = kernels.best(logits, torch.zeros(1, WIDTH), embeddings, None, 6, 1)
    assert found.candidates[0].tolist() == [7, 300, 40_000, 0, 1, 2]


@needs_compiler
@both_types
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_a_broken_logit_is_told_and_orders_nothing(dtype, value):
    logits = draw(2, 5_000, dtype=dtype)
    logits[1, 4_321] = value
    hidden, embeddings = torch.zeros(2, WIDTH), torch.zeros(5_000, WIDTH, dtype=dtype)
    found = native.kernels(dtype).best(logits, hidden, embeddings, torch.zeros(WIDTH), 16, 0)
    assert torch.isfinite(found.logprobs[0]).all()
    assert torch.isnan(found.logprobs[1]).all()


@needs_compiler
def test_what_is_no_number_stays_so_in_bfloat16():
    x = draw(1, WIDTH)
    x[0, 3] = torch.nan
    norm = (torch.ones(WIDTH), torch.zeros(WIDTH), 1e-5)
    normed = native.kernels(torch.bfloat16).add_norm(x, None, norm, torch.bfloat16)
    assert torch.isnan(normed).all()


@needs_compiler
@both_types
def test_a_row_depends_on_no_other_row_and_on_no_number_of_threads(dtype):
    kernels = native.kernels(dtype)
    logits, hidden = draw(ROWS, WORDS, dtype=dtype), draw(ROWS, WIDTH, seed=1)
    embeddings, center = draw(WORDS, WIDTH, dtype=dtype, seed=2), draw(WIDTH, seed=3)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        together = kernels.best(logits, hidden, embeddings, center, 16, 0)
        torch.set_num_threads(1)
        alone = kernels.best(logits[2:3], hidden[2:3], embeddings, center, 16, 0)
    finally:
        torch.set_num_threads(threads)
    for many, one in zip(together, alone, strict=True):
        assert torch.equal(many[2:3], one)


@needs_compiler
@both_types
@both_formats
def test_no_index_reaches_outside_an_array(dtype, in_codes):
    kernels, words, places = native.kernels(dtype), draw(9, 16, dtype=dtype), draw(4, 16)
    good, bad = torch.tensor([0, 8]), torch.tensor([0, 9])
    for tokens, positions in ((bad, good), (good, torch.tensor([0, -1]))):
        with pytest.raises(IndexError):
            kernels.embed(tokens, positions.clamp(max=3), words, places)
    with pytest.raises(IndexError):
        kernels.read(draw(2, 16), words, None, bad[:, None])
    slots = KVCache(
        num_layers=1,
        num_rows=2,
        num_heads=1,
        head_size=16,
        capacity=64,
        dtype=torch.int8 if in_codes else dtype,
        device=CPU,
    )
    q, k, v = draw(2, 3, 1, 16, dtype=dtype).unbind(1)
    with pytest.raises(IndexError):
        kernels.decode(slots, torch.tensor([0, 64]), 64)(0, q, k, v)


@pytest.fixture(scope="module")
def narrow_library(tmp_path_factory):
    """The kernels as they are compiled for a processor without vectors of 512 bits."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("narrow")))
        patch.setattr(native, "FLAGS", (*native.FLAGS, "-mno-avx512f"))
        return native.library.__wrapped__()


@needs_compiler
@pytest.mark.skipif(platform.machine() != "x86_64", reason="AVX-512 is of x86-64")
@both_types
def test_narrower_vectors_do_the_same(dtype, narrow_library, monkeypatch):
    """Regression: without AVX-512 a logit that is no number was hidden."""
    monkeypatch.setattr(native, "library", lambda: narrow_library)
    assert native.kernels(dtype).linear(draw(32, 16), None, gelu=False, int8=False) is None
    test_sums_and_norms_are_those_of_pytorch(dtype, is_last=False)
    for in_codes in (False, True):
        test_attention_is_that_of_pytorch_and_writes_the_same_slots(dtype, in_codes, 64)
    test_best_words_are_found_by_rounded_logits_and_ordered_by_exact_ones(dtype, 700)
    test_rescaled_sums_are_those_of_pytorch(dtype, gelu=True, width=96)
    for value in (torch.nan, torch.inf):
        test_a_broken_logit_is_told_and_orders_nothing(dtype, value)


def test_pytorch_does_the_work_for_shapes_that_are_not_whole():
    assert isinstance(kernels_for(96, 24, torch.float32, CPU), TorchKernels)
    assert isinstance(kernels_for(24, 8, torch.float32, CPU), TorchKernels)


@needs_compiler
def test_the_engine_says_the_same_with_either_kernels(model):
    from tests.model.test_engine import walk

    plain = copy.copy(model)
    plain.kernels = TorchKernels()
    for (ours, _), (theirs, _) in zip(walk(model, 4, 60), walk(plain, 4, 60), strict=True):
        assert np.array_equal(ours.candidates[:, 0], theirs.candidates[:, 0])
        np.testing.assert_allclose(ours.logprobs, theirs.logprobs, rtol=0, atol=2e-5)
        np.testing.assert_allclose(ours.chosen, theirs.chosen, rtol=0, atol=2e-5)


def status_with(tmp_path, **environment):
    """What a new process says of its kernels."""
    code = "from lm_envs.model.kernels import native; print(native.status())"
    values = os.environ | {"XDG_CACHE_HOME": str(tmp_path)} | environment
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=values, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_without_a_compiler_pytorch_does_the_work_and_the_reason_is_told(tmp_path):
    assert status_with(tmp_path, CXX="no-such-compiler") == "PyTorch's: no C++ compiler was found"
    assert status_with(tmp_path, LM_ENVS_NATIVE="0") == "PyTorch's: LM_ENVS_NATIVE=0"


def test_a_compiler_that_fails_leaves_nothing_behind(tmp_path):
    assert status_with(tmp_path, CXX="false").startswith("PyTorch's: ")
    assert list((tmp_path / "lm_envs").iterdir()) == []


@needs_compiler
def test_the_library_is_compiled_once(tmp_path):
    assert status_with(tmp_path) == "own, compiled"
    (made,) = (tmp_path / "lm_envs").iterdir()
    before = made.stat().st_mtime_ns
    assert status_with(tmp_path) == "own, compiled"
    assert made.stat().st_mtime_ns == before
