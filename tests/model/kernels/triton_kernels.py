"""Triton's kernels on the device that runs them: a GPU, or the CPU by Triton's interpreter."""

import os

import pytest
import torch

pytest.importorskip("triton")

from triton.runtime import interpreter

from lm_envs.model.kernels.torch_ops import TorchKernels
from lm_envs.model.kernels.triton_invariant import InvariantKernels
from lm_envs.model.kernels.triton_ops import TritonKernels
from lm_envs.model.kv_cache import KVCache
from tests.model.engines import draw


def _patch_once():
    """Lets Triton's interpreter patch its language once a kernel for each module of functions.

    It does so in every call of a function in every program, which takes half of its time and
    changes nothing: the language stays patched until the kernel ends.
    """
    patch, patched = interpreter._patch_lang, set()

    def patch_for_kernel(function):
        patched.clear()
        return patch(function)

    def call(self, *args, **kwargs):
        if id(self.fn.__globals__) not in patched:
            patch(self.fn)
            patched.add(id(self.fn.__globals__))
        return self.rewrite()(*args, **kwargs)

    interpreter._patch_lang = patch_for_kernel
    interpreter.InterpretedFunction.__call__ = call


if os.environ.get("TRITON_INTERPRET") == "1":
    _patch_once()

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
TRITON, INVARIANT, TORCH = TritonKernels(), InvariantKernels(), TorchKernels()
TOLERANCE = {torch.float32: 2e-6, torch.bfloat16: 2e-2}
CAPACITY = 96


def put(*values):
    """An int64 tensor on the device."""
    return torch.tensor(values, device=DEVICE)


def draw_there(*shape, dtype=torch.float32, seed=0):
    return draw(*shape, dtype=dtype, seed=seed).to(DEVICE)


def agree(found, expected, dtype):
    tolerance = TOLERANCE[dtype]
    torch.testing.assert_close(found.float(), expected.float(), rtol=tolerance, atol=tolerance)


def make_cache(dtype, stored, num_heads, size):
    """A cache of six rows whose every position holds random keys and values."""
    cache = KVCache(
        num_layers=1,
        num_rows=6,
        num_heads=num_heads,
        head_size=size,
        capacity=CAPACITY,
        dtype=stored,
        device=DEVICE,
    )
    rows = torch.arange(6, device=DEVICE).repeat_interleave(CAPACITY)
    positions = torch.arange(CAPACITY, device=DEVICE).repeat(6)
    keys, values = draw_there(2, 6 * CAPACITY, num_heads, size, dtype=dtype, seed=7)
    cache.write(0, cache.slot_mapping(rows, positions), keys, values)
    return cache
