import copy

import numpy as np
import pytest
import torch

from lm_envs.model import loading
from lm_envs.model.kernels import native
from lm_envs.model.kernels.torch_ops import TorchKernels
from lm_envs.model.kv_cache import KVCache
from lm_envs.model.kv_format import format_of
from lm_envs.model.prompt_cache import shared
from tests.model.test_engine import make_engine, needs_int8, random_tokens, walk

all_types = pytest.mark.parametrize(
    "dtype", ["float32", "bfloat16", pytest.param("int8", marks=needs_int8)]
)
needs_compiler = pytest.mark.skipif(
    native.kernels(torch.float32) is None, reason=f"kernels are {native.status()}"
)
ONE_CODE = 1e-3
"""A number near the middle of two codes may be rounded to either: what that changes at most."""


def vectors(*shape, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0)).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_is_kept_as_it_is_comes_back_as_it_was(dtype):
    plain, x = format_of(dtype), vectors(3, 5, 16, dtype=dtype)
    assert torch.equal(plain.decode(plain.encode(x)), x)


@pytest.mark.parametrize("scale", [1e-20, 1.0, 1e20])
def test_codes_are_off_by_half_a_step_of_their_vector_at_most(scale):
    codes, x = format_of(torch.int8), scale * vectors(40, 6, 64)
    step = x.abs().amax(-1, keepdim=True) / 127
    read = codes.decode(codes.encode(x))
    assert ((read - x).abs() <= 0.501 * step).all()
    assert torch.equal(codes.decode(codes.encode(read)), read)


def test_vectors_of_zeros_are_kept_as_zeros():
    codes, x = format_of(torch.int8), torch.zeros(2, 16)
    assert torch.equal(codes.decode(codes.encode(x)), x)


@needs_compiler
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
@pytest.mark.parametrize("kernels", [native.kernels(torch.float32), TorchKernels()])
def test_what_is_no_finite_number_is_none_when_it_is_read(kernels, value):
    shape = {"num_layers": 1, "num_rows": 2, "num_heads": 1, "head_size": 16, "capacity": 16}
    slots = KVCache(**shape, dtype=torch.int8, device=torch.device("cpu"))
    q, k, v = vectors(2, 3, 1, 16).unbind(1)
    v[1, 0, 3] = value
    attended = kernels.decode(slots, torch.tensor([0, 0]), 16)(0, q, k, v)
    assert torch.isfinite(attended[0]).all()
    assert not torch.isfinite(attended[1]).all()


@pytest.mark.parametrize(
    ("dtype", "bound"),
    [("float32", 0.01), ("bfloat16", 0.02), pytest.param("int8", 0.05, marks=needs_int8)],
)
def test_codes_cost_the_embedded_model_little(dtype, bound):
    model, rng = loading.load(loading.locate("embedded"), "cpu", dtype), np.random.default_rng(0)
    engines = [
        make_engine(model, 16, num_candidates=8, cache_dtype=kind) for kind in ("auto", "int8")
    ]
    prompts = [rng.integers(1, 6000, 12) for _ in range(16)]
    exact, rounded = (engine.prefill(np.arange(16), prompts) for engine in engines)
    agreed, errors = [], []
    for _ in range(100):
        agreed.append(exact.candidates[:, 0] == rounded.candidates[:, 0])
        words = exact.candidates[np.arange(16), rng.integers(0, 8, 16)]
        exact, rounded = (engine.decode(words) for engine in engines)
        errors.append(np.abs(exact.chosen - rounded.chosen))
    assert 0.0 < np.mean(errors) < bound
    assert np.mean(agreed) > 0.97


@needs_compiler
@all_types
@pytest.mark.parametrize("num_rows", [2, 7, 32])
def test_a_row_in_codes_does_not_depend_on_how_many_rows_there_are(checkpoint, num_rows, dtype):
    model = loading.load(checkpoint, "cpu", dtype)
    walks = (walk(model, count, 150, cache_dtype="int8") for count in (num_rows, 1))
    for (many, _), (one, _) in zip(*walks, strict=True):
        for name in ("hidden", "candidates", "logprobs", "chosen"):
            np.testing.assert_array_equal(getattr(many, name)[0], getattr(one, name)[0])


@needs_compiler
def test_the_engine_says_the_same_of_codes_with_either_kernels(model):
    plain = copy.copy(model)
    plain.kernels = TorchKernels()
    walks = (walk(each, 4, 60, cache_dtype="int8") for each in (model, plain))
    for (ours, _), (theirs, _) in zip(*walks, strict=True):
        np.testing.assert_allclose(ours.hidden, theirs.hidden, rtol=0, atol=ONE_CODE)
        np.testing.assert_allclose(ours.chosen, theirs.chosen, rtol=0, atol=ONE_CODE)


def test_lines_score_as_they_do_when_they_are_appended(model):
    rng, rows = np.random.default_rng(0), np.arange(3)
    texts = [random_tokens(rng, size) for size in (30, 9, 64)]
    lines = [random_tokens(rng, size) for size in (8, 11, 5)]
    engine = make_engine(model, 3, cache_dtype="int8")
    engine.extend(rows, np.zeros(3, int), texts)
    scored = np.concatenate([only for (only,) in engine.score_options(rows, [[x] for x in lines])])
    appended = np.concatenate(engine.extend_scored(rows, lines))
    assert np.median(np.abs(scored - appended)) < 1e-5
    np.testing.assert_allclose(scored, appended, rtol=0, atol=ONE_CODE)


@pytest.mark.parametrize("size", [20, 129])
def test_a_prompt_is_read_through_codes_at_once_as_in_parts(model, size):
    prompt = random_tokens(np.random.default_rng(0), size)
    whole, parts, exact = (
        make_engine(model, 1, capacity=160, cache_dtype=kind) for kind in ("int8", "int8", "auto")
    )
    at_once = whole.prefill(np.arange(1), [prompt]).hidden
    parts.prefill(np.arange(1), [prompt[:7]])
    hidden = parts.extend(np.arange(1), np.array([7]), [prompt[7:]]).hidden
    off = np.abs(at_once - hidden).max()
    assert off < np.abs(at_once - exact.prefill(np.arange(1), [prompt]).hidden).max() / 4


def test_prompts_are_not_shared_by_engines_that_keep_them_otherwise(model):
    network, prompt = copy.copy(model), np.arange(1, 30)
    cache = shared(network, 2**20)
    shown = {}
    for kind in ("auto", "int8", "auto", "int8"):
        engine = make_engine(network, 1, prompts=cache, cache_dtype=kind)
        outputs = engine.prefill(np.arange(1), [prompt])
        expected = shown.setdefault(kind, outputs.hidden)
        np.testing.assert_array_equal(outputs.hidden, expected)
    assert not np.array_equal(shown["auto"], shown["int8"])
