import inspect

import pytest

from lm_envs.model.kernels.base import Kernels
from lm_envs.model.kernels.native import NativeKernels
from lm_envs.model.kernels.torch_ops import TorchKernels

METHODS = [name for name, value in vars(Kernels).items() if inspect.isfunction(value)]


@pytest.mark.parametrize("backend", [NativeKernels, TorchKernels])
@pytest.mark.parametrize("name", [name for name in METHODS if name[0] != "_"])
def test_a_backend_has_the_methods_of_the_protocol_with_the_same_parameters(backend, name):
    expected, found = (inspect.signature(getattr(owner, name)) for owner in (Kernels, backend))
    assert list(found.parameters) == list(expected.parameters)


@pytest.mark.parametrize("backend", [NativeKernels, TorchKernels])
def test_a_backend_states_its_longest_prompt(backend):
    assert backend.longest_prompt >= 0
