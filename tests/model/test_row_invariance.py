"""A row's bits depend on no other row: what `deterministic=True` promises, on every device."""

import numpy as np
import pytest
import torch

from lm_envs.model import loading
from lm_envs.model.architectures import gpt2, network
from lm_envs.model.base import ModelConfig
from tests.model.engines import (
    VOCABULARY,
    all_dtypes,
    both_cache_dtypes,
    draw_weights,
    make_engine,
    needs_compiler,
    needs_cuda,
    random_tokens,
)

MOST = 70
"""Rows for which prompts and tokens are drawn; an engine of N rows has the first N of them."""


def read_in_every_way(model, num_rows, num_steps=3, longest=45, **changes):
    """What all methods of an engine find for row 0, while the others begin, wait and end."""
    rng, rows = np.random.default_rng(0), np.arange(num_rows)
    engine = make_engine(model, num_rows, capacity=64, num_candidates=8, **changes)

    def draw(low, high):
        sizes = rng.integers(low, high, MOST)
        return [random_tokens(rng, int(size)) for size in sizes][:num_rows]

    found = [engine.prefill(rows, draw(longest - 10, longest))]
    for _ in range(num_steps):
        active = rng.random(MOST)[:num_rows] < 0.7
        active[0] = True
        found.append(engine.decode(random_tokens(rng, MOST)[:num_rows], active))
    found.append(engine.extend(rows, engine.lengths - 2, draw(1, 6)))
    results = [getattr(each, name)[0] for each in found for name in ("hidden", "candidates")]
    results += [getattr(each, name)[0] for each in found for name in ("logprobs", "chosen")]
    results.append(engine.extend_scored(rows, draw(1, 4))[0])
    options = [[part[:2], part[2:]] for part in draw(4, 8)]
    results += engine.score_options(rows, options)[0]
    texts = draw(5, longest)
    results += [engine.score(texts)[0], engine.mean_hidden_states(texts, [3] * num_rows)[0]]
    results.append(engine.top_k_top_p_mask(50, 0.9)[0])
    tokens = rng.integers(1, VOCABULARY, (MOST, 3))[:num_rows]
    return [*results, engine.logprobs_of(tokens)[0]]


def num_different(one, other):
    return sum(not np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@needs_compiler
@all_dtypes
@both_cache_dtypes
def test_a_row_on_a_cpu_has_the_same_bits_among_any_number_of_rows(checkpoint, dtype, cache_dtype):
    model = loading.load(checkpoint, "cpu", dtype, deterministic=True)
    alone = read_in_every_way(model, 1, cache_dtype=cache_dtype)
    for num_rows in (2, 64, MOST):
        found = read_in_every_way(model, num_rows, cache_dtype=cache_dtype)
        assert num_different(found, alone) == 0, num_rows


@needs_compiler
def test_the_deterministic_model_of_a_cpu_is_the_model_of_a_cpu(checkpoint):
    model = loading.load(checkpoint, "cpu", "float32")
    assert loading.load(checkpoint, "cpu", "float32", deterministic=True) is model


def test_a_deterministic_model_that_our_kernels_do_not_compute_is_refused(tmp_path):
    """The numbers of PyTorch's attention on a CPU depend on the longest row."""
    from transformers import GPT2Config, GPT2LMHeadModel

    shape = {"n_layer": 1, "n_embd": 24, "n_head": 3, "vocab_size": 99, "n_positions": 64}
    GPT2LMHeadModel(GPT2Config(**shape)).save_pretrained(tmp_path)
    loading.load(tmp_path, "cpu", "float32")
    with pytest.raises(ValueError, match=r"deterministic=True on cpu, .*multiples of 16 only"):
        loading.load(tmp_path, "cpu", "float32", deterministic=True)


def make_model(name, monkeypatch):
    """A small GPT-2 on the CPU, whose kernels Triton's interpreter runs."""
    found = pytest.importorskip("tests.model.kernels.triton_kernels")
    monkeypatch.setattr(network, "kernels_for", lambda *_: getattr(found, name)())
    config = ModelConfig(VOCABULARY, 64, 1, 4, 4, 64, 64, 1e-5)
    return gpt2.GPT2(config, draw_weights(gpt2.tensor_shapes(config), 0.1), torch.float32)


def test_tritons_invariant_kernels_compute_a_row_alone(monkeypatch):
    model = make_model("InvariantKernels", monkeypatch)
    alone, among_others = (read_in_every_way(model, num_rows, 1, 12) for num_rows in (1, 3))
    assert num_different(among_others, alone) == 0


def write_together(model, num_rows):
    """Hidden states and log-probabilities of row 0 after one step of equal rows."""
    engine = make_engine(model, num_rows, capacity=64, num_candidates=4)
    others = np.arange(1, num_rows)
    engine.prefill(np.arange(1), [np.arange(1, 41)])
    engine.copy_rows(others, np.zeros_like(others))
    outputs = engine.decode(np.arange(1, num_rows + 1))
    return [outputs.hidden[0], outputs.logprobs[0]]


@pytest.mark.parametrize(
    ("name", "is_same"), [("InvariantKernels", True), ("TritonKernels", False)]
)
def test_a_full_batch_changes_a_row_of_the_faster_kernels_only(monkeypatch, name, is_same):
    """With many heads and rows the faster kernels read other numbers of keys at a time."""
    model = make_model(name, monkeypatch)
    monkeypatch.setattr("lm_envs.model.kernels.triton_ops.FEW_PROGRAMS", 8)  # of 4 heads
    alone, among_others = (write_together(model, num_rows) for num_rows in (1, 2))
    assert (num_different(among_others, alone) == 0) == is_same


@pytest.mark.gpu
@needs_cuda
@pytest.mark.parametrize(
    ("name", "dtype", "cache_dtype"),
    [
        ("checkpoint", "bfloat16", "auto"),
        ("checkpoint", "float32", "auto"),
        ("checkpoint", "bfloat16", "int8"),
        ("llama_checkpoint", "bfloat16", "auto"),
    ],
)
def test_a_row_on_cuda_has_the_same_bits_among_any_number_of_rows(
    request, name, dtype, cache_dtype
):
    folder = request.getfixturevalue(name)
    model = loading.load(folder, "cuda", dtype, deterministic=True)
    alone = read_in_every_way(model, 1, cache_dtype=cache_dtype)
    for num_rows in (2, 64, MOST):
        found = read_in_every_way(model, num_rows, cache_dtype=cache_dtype)
        assert num_different(found, alone) == 0, num_rows
