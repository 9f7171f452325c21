import pytest
import torch
import torch.nn.functional as F

from lm_envs.model.kernels import native
from lm_envs.model.kernels.linear import Int8Linear
from lm_envs.model.kernels.torch_ops import TorchKernels
from tests.model.kernels.test_native import draw

KINDS = {
    "float32": (torch.float32, False),
    "bfloat16": (torch.bfloat16, False),
    "int8": (torch.bfloat16, True),
    "int8 in float32": (torch.float32, True),
}
TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 1e-2}


def layer(kind, weight, bias=None, *, gelu=False):
    """Our own linear of this kind; skips where the processor has no instructions for it."""
    dtype, int8 = KINDS[kind]
    kernels = native.kernels(dtype)
    own = kernels and kernels.linear(weight.to(dtype), bias, gelu=gelu, int8=int8)
    if not own:
        pytest.skip(f"no product of our own for {kind}; kernels are {native.status()}")
    return own


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("gelu", [False, True])
@pytest.mark.parametrize(("rows", "inputs", "outputs"), [(1, 96, 32), (33, 64, 70), (150, 32, 1)])
def test_products_are_those_of_pytorch(kind, gelu, rows, inputs, outputs):
    dtype, int8 = KINDS[kind]
    weight, x = draw(outputs, inputs, seed=1).to(dtype), draw(rows, inputs, dtype=dtype)
    bias = draw(outputs, seed=2) if gelu else None
    found = layer(kind, weight, bias, gelu=gelu)(x)
    if int8:
        codes, scales = TorchKernels().quantize(x)
        x = (codes.double() - 128.0) * scales[:, None]
        scales = weight.float().abs().amax(1, keepdim=True) / 127.0
        weight = (weight.float() / scales).round() * scales
    expected = F.linear(x.double(), weight.double(), None if bias is None else bias.double())
    if gelu:
        expected = F.gelu(expected, approximate="tanh")
    assert found.dtype == dtype
    tolerance = TOLERANCE[dtype] if not int8 else 5e-2  # a half may be rounded either way
    torch.testing.assert_close(found.double(), expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_s_products_depend_on_no_other_row_and_on_no_number_of_threads(kind):
    linear = layer(kind, draw(300, 64, seed=1), draw(300, seed=2), gelu=True)
    x = draw(271, 64, dtype=KINDS[kind][0])
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        together = linear(x)
        torch.set_num_threads(1)
        for count in (*range(1, 31), 127, 128, 129, 255):
            assert torch.equal(linear(x[:count]), together[:count])
            assert torch.equal(linear(x[-count:]), together[-count:])
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("kind", KINDS)
def test_weights_and_rows_may_lie_in_any_order(kind):
    weight, x = draw(64, 96), draw(48, 64, dtype=KINDS[kind][0], seed=1)
    in_order = layer(kind, weight.t().contiguous())(x)
    assert torch.equal(layer(kind, weight.t())(x), in_order)
    assert torch.equal(layer(kind, weight.t())(x.t().contiguous().t()), in_order)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_number_spoils_its_own_row_only(kind):
    x = draw(20, 64, dtype=KINDS[kind][0])
    x[7, 3] = torch.nan
    found = layer(kind, draw(40, 64, seed=1))(x)
    assert torch.isnan(found[7]).all()
    assert torch.isfinite(found[:7]).all()
    assert torch.isfinite(found[8:]).all()


def test_sums_of_codes_are_exact():
    weight, x = draw(48, 3072, dtype=torch.bfloat16), draw(5, 3072, dtype=torch.bfloat16, seed=1)
    kernels = native.kernels(torch.bfloat16)
    own = layer("int8", weight)
    theirs = Int8Linear(weight, None, kernels)
    assert torch.equal(own(x), theirs(x))


def test_pytorch_multiplies_where_there_are_no_kernels_of_our_own():
    assert TorchKernels().linear(draw(32, 16), None, gelu=False, int8=False) is None
    assert TorchKernels().linear(draw(32, 16), None, gelu=False, int8=True) is None
