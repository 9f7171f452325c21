import pytest
import torch

from lm_envs.model.kernels.native import NativeKernels
from lm_envs.model.kernels.select import kernels_for
from lm_envs.model.kernels.torch_ops import TorchKernels
from tests.model.engines import CPU, needs_compiler


@pytest.mark.parametrize(("hidden_size", "head_size"), [(96, 24), (24, 8)])
def test_sizes_that_are_no_multiple_of_the_lanes_use_pytorch(hidden_size, head_size):
    assert isinstance(kernels_for(hidden_size, head_size, torch.float32, CPU), TorchKernels)


def test_other_devices_than_the_cpu_use_pytorch():
    kernels = kernels_for(96, 16, torch.float32, torch.device("meta"))
    assert isinstance(kernels, TorchKernels)


@needs_compiler
def test_whole_sizes_on_a_cpu_use_the_compiled_kernels():
    assert isinstance(kernels_for(96, 16, torch.float32, CPU), NativeKernels)
