import pytest
import torch

from lm_envs.model.kernels.linear import Int8Linear
from lm_envs.model.kernels.torch_ops import TorchKernels
from tests.model.test_engine import needs_int8


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).bfloat16()


@needs_int8
@pytest.mark.parametrize("gelu", [False, True])
def test_products_of_codes_are_near_those_of_what_they_stand_for(gelu):
    weight, bias, x = draw(96, 64), draw(96, seed=1), draw(40, 64, seed=2)
    exact = torch.nn.functional.linear(x.float(), weight.float(), bias.float())
    if gelu:
        exact = torch.nn.functional.gelu(exact, approximate="tanh")
    rounded = Int8Linear(weight, bias, TorchKernels(), gelu=gelu)(x).float()
    assert (rounded - exact).abs().max() < 0.05 * exact.abs().max()
    assert (rounded - exact).square().mean() < 1e-3 * exact.square().mean()


@needs_int8
def test_weights_may_lie_in_any_order():
    weight, x = draw(64, 96), draw(5, 64, seed=1)
    assert torch.equal(
        Int8Linear(weight.t(), None, TorchKernels())(x),
        Int8Linear(weight.t().contiguous(), None, TorchKernels())(x),
    )


@needs_int8
def test_what_is_no_number_is_not_hidden_by_codes():
    x = draw(3, 64)
    x[1, 7] = torch.nan
    rounded = Int8Linear(draw(96, 64, seed=1), None, TorchKernels())(x)
    assert torch.isnan(rounded[1]).all()
    assert torch.isfinite(rounded[[0, 2]]).all()
