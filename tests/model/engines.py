"""Engines, random tokens and markers that the tests of the model share."""

import numpy as np
import pytest
import torch

from lm_envs.model.architectures import gpt2, network
from lm_envs.model.base import ModelConfig
from lm_envs.model.engine import Engine
from lm_envs.model.kernels import build, native
from lm_envs.model.kernels.torch_ops import TorchKernels

VOCABULARY = 700
CAPACITY = 128
CPU = torch.device("cpu")
STATE_NAMES = ("hidden", "candidates", "logprobs")

needs_int8 = pytest.mark.skipif(
    not torch.cpu._is_vnni_supported(), reason="int8 needs a CPU with VNNI instructions"
)
needs_compiler = pytest.mark.skipif(
    native.kernels(torch.float32) is None, reason=f"kernels are {build.status()}"
)
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
all_dtypes = pytest.mark.parametrize(
    "dtype", ["float32", "bfloat16", pytest.param("int8", marks=needs_int8)]
)
float_dtypes = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
both_cache_dtypes = pytest.mark.parametrize("cache_dtype", ["auto", "int8"])


def make_engine(model, num_rows, **changes):
    options = {"capacity": CAPACITY, "num_candidates": 16, "end_token": 0} | changes
    return Engine(model, num_rows, **options)


def random_tokens(rng, size):
    return rng.integers(1, VOCABULARY, size)


def draw(*shape, dtype=torch.float32, seed=0):
    """Standard normal numbers."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def draw_weights(shapes, scale=1.0, device=CPU):
    """Random weights by the names of `tensor_shapes`; each tensor has a seed of its own."""
    named = enumerate(shapes.items())
    return {name: (scale * draw(*shape, seed=i)).to(device) for i, (name, shape) in named}


SHAPE = ModelConfig(
    vocab_size=VOCABULARY,
    hidden_size=48,
    num_layers=2,
    num_heads=3,
    num_kv_heads=3,
    max_positions=160,
    intermediate_size=80,
    norm_epsilon=1e-5,
)


def make_torch_model(monkeypatch, device):
    """A model whose kernels are PyTorch's operations, with random weights."""
    monkeypatch.setattr(network, "kernels_for", lambda *_: TorchKernels())
    weights = draw_weights(gpt2.tensor_shapes(SHAPE), device=device)
    return gpt2.GPT2(SHAPE, weights, torch.float32)


def count_tokens(engine, method, *arguments):
    """Number of tokens that the network computes during a call."""
    before = engine.num_forward_tokens
    method(*arguments)
    return engine.num_forward_tokens - before


def walk(model, num_rows, num_steps, *, seed=0, **changes):
    """Outputs and contexts of a run in which rows with ragged prompts restart at random."""
    rng = np.random.default_rng(seed)
    engine = make_engine(model, num_rows, **changes)
    contexts = [random_tokens(rng, int(n)) for n in rng.integers(1, 60, 32)][:num_rows]
    engine.prefill(np.arange(num_rows), contexts)
    for _ in range(num_steps):
        tokens = random_tokens(rng, 32)[:num_rows]
        fresh = [random_tokens(rng, int(n)) for n in rng.integers(1, 60, 32)]
        is_reset = rng.random(32)[:num_rows] < 0.05
        outputs = engine.decode(tokens)
        contexts = [np.append(c, token) for c, token in zip(contexts, tokens, strict=True)]
        is_full = np.array([len(context) >= CAPACITY - 1 for context in contexts])
        rows = np.flatnonzero(is_reset | is_full)
        if len(rows):
            outputs = engine.prefill(rows, [fresh[row] for row in rows])
            contexts = [fresh[i] if i in rows else c for i, c in enumerate(contexts)]
        yield outputs, contexts


@torch.no_grad()
def reference_logprobs(reference_model, context):
    """Log-probabilities (T, V) after every token of a context, by transformers."""
    return reference_model(torch.tensor(context)[None]).logits[0].log_softmax(-1).numpy()
