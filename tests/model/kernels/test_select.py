import os
import subprocess
import sys

import pytest
import torch

from lm_envs.model.kernels.native import NativeKernels
from lm_envs.model.kernels.select import kernels_for, why_rows_vary
from lm_envs.model.kernels.torch_ops import TorchKernels
from tests.model.engines import CPU, needs_compiler, needs_int8


@pytest.mark.parametrize("sizes", [(96, 24, 384), (24, 8, 96), (96, 16, 100), (96, 16, 8)])
def test_sizes_that_are_no_multiple_of_the_lanes_use_pytorch(sizes):
    assert type(kernels_for(sizes, torch.float32, CPU)) is TorchKernels


def test_other_devices_than_the_cpu_use_pytorch():
    kernels = kernels_for((96, 16, 384), torch.float32, torch.device("meta"))
    assert type(kernels) is TorchKernels


@needs_compiler
def test_whole_sizes_on_a_cpu_use_the_compiled_kernels():
    assert isinstance(kernels_for((96, 16, 384), torch.float32, CPU), NativeKernels)


@needs_compiler
def test_a_row_is_alone_in_the_compiled_kernels_and_not_in_pytorchs():
    assert kernels_for((96, 16, 384), torch.float32, CPU).is_row_invariant
    assert not kernels_for((24, 8, 96), torch.float32, CPU).is_row_invariant


@pytest.mark.parametrize(("device", "remedy"), [("cpu", "C++ compiler"), ("meta", "'cuda'")])
def test_the_reason_why_rows_vary_names_a_remedy(device, remedy):
    assert remedy in why_rows_vary(torch.device(device))


@needs_int8
def test_int8_models_with_perceptrons_of_odd_sizes_are_near_float32():
    """Regression: the C++ kernels wrote beyond the end of their arrays."""
    sizes = ["256", "4", "8", "40", "100", "104", "120", "257"]
    command = [sys.executable, "-m", "tests.model.odd_sizes", *sizes]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ, timeout=300)
    assert done.returncode == 0, done.stderr
    differences = dict(line.split() for line in done.stdout.split("\n") if line)
    assert list(differences) == sizes
    assert all(0.0 < float(each) < 0.05 for each in differences.values())
