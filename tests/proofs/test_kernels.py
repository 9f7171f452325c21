"""Random calls of the C++ kernels agree with PyTorch, and read and write no foreign memory."""

import os
import shutil
import subprocess
import sys

import pytest
import torch

from lm_envs.model.kernels.native import NativeKernels
from tests.model.engines import needs_compiler
from tests.proofs import kernels

SANITIZED = "-fsanitize=address,undefined -fno-sanitize-recover=undefined -O1"
"""Options of the compiler, the last to win; a fault that they find ends the process."""


@needs_compiler
def test_two_hundred_random_calls_agree_with_pytorch():
    assert kernels.run(seed=0, first=0, cases=200).total() == 200


@needs_compiler
def test_a_kernel_that_is_wrong_is_found(monkeypatch):
    """The control: a bias that is left out, and a key that is stored at another position."""

    def without_bias(self, sums, scales, bias, **options):
        return original(self, sums, scales, None, **options)

    original = NativeKernels.dequantize
    monkeypatch.setattr(NativeKernels, "dequantize", without_bias)
    with pytest.raises(AssertionError, match=r"case \d+, (dequantize|whole_model)"):
        kernels.run(seed=0, first=0, cases=100)
    monkeypatch.undo()
    attend = NativeKernels.decode_attention

    def at_zero(self, cache, positions, context_len):
        return attend(self, cache, torch.zeros_like(positions), context_len)

    monkeypatch.setattr(NativeKernels, "decode_attention", at_zero)
    with pytest.raises(AssertionError, match=r"case \d+, (attention|whole_model|refused_index)"):
        kernels.run(seed=0, first=0, cases=100)


def runtime(name):
    """Path of a library of the compiler's; None where there is none."""
    program = shutil.which("c++")
    if program is None:
        return None
    command = [program, f"-print-file-name={name}"]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    return found if os.path.isabs(found) else None


needs_sanitizers = pytest.mark.skipif(
    runtime("libasan.so") is None or runtime("libubsan.so") is None,
    reason="the compiler has no AddressSanitizer",
)


def compiler(folder):
    """A script that compiles with sanitizers; optimized code with them takes minutes to compile."""
    path = folder / "compiler"
    if not path.is_file():
        path.write_text(f'#!/bin/sh\nexec c++ "$@" {SANITIZED}\n')
        path.chmod(0o700)
    return path


def run_sanitized(cache, *command):
    """Runs Python with kernels that are compiled with sanitizers, in a process of its own."""
    values = os.environ | {
        "XDG_CACHE_HOME": str(cache),
        "CXX": str(compiler(cache)),
        "LD_PRELOAD": f"{runtime('libasan.so')} {runtime('libubsan.so')}",
        "ASAN_OPTIONS": "detect_leaks=0",  # Python's own objects live until the process ends
        "UBSAN_OPTIONS": "print_stacktrace=1",
    }
    command = [sys.executable, *command]
    return subprocess.run(command, env=values, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def sanitized(tmp_path_factory):
    """A cache of kernels that are compiled with sanitizers."""
    cache = tmp_path_factory.mktemp("sanitized")
    status = "from lm_envs.model.kernels import build; print(build.status())"
    done = run_sanitized(cache, "-c", status)
    assert done.stdout.strip() == "own, compiled", done.stdout + done.stderr
    return cache


@needs_compiler
@needs_sanitizers
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_random_calls_touch_no_foreign_memory_and_have_defined_behavior(sanitized):
    cases = os.environ.get("LM_ENVS_CASES", "2000")
    done = run_sanitized(sanitized, "-m", "tests.proofs.kernels", "--cases", cases)
    print(done.stdout)
    assert done.returncode == 0, done.stderr[-4000:]


OVERFLOWS = {
    "read": "kernels.silu_product(torch.zeros(1, 2 * 100))",
    "write": "kernels.add_norm(torch.zeros(1, 100), None, norm, torch.float32)",
}


@needs_compiler
@needs_sanitizers
@pytest.mark.slow
@pytest.mark.parametrize("name", list(OVERFLOWS))
def test_the_sanitizer_finds_an_overflow(sanitized, name):
    """The control: a width that is no multiple of 16, which `select` keeps from the kernels."""
    code = (
        "import torch; from lm_envs.model.kernels import native; "
        "from lm_envs.model.kernels.base import LayerNorm; "
        "kernels = native.kernels(torch.float32); "
        f"norm = LayerNorm(torch.ones(100), torch.zeros(100), 1e-5); {OVERFLOWS[name]}"
    )
    done = run_sanitized(sanitized, "-c", code)
    assert done.returncode != 0
    assert "ERROR: AddressSanitizer" in done.stderr
