import pytest
import torch
import torch.nn.functional as F

from lm_envs.model.kernels import build, native
from lm_envs.model.kernels.linear import Int8Linear, Linear
from lm_envs.model.kernels.torch_ops import TorchKernels
from tests.model.engines import draw, float_dtypes, needs_int8

KINDS = {
    "float32": (torch.float32, False),
    "bfloat16": (torch.bfloat16, False),
    "int8": (torch.bfloat16, True),
    "int8 in float32": (torch.float32, True),
}
TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 1e-2}


def bfloat16(*shape, seed=0):
    return draw(*shape, dtype=torch.bfloat16, seed=seed)


def make_packed(kind, weight, bias=None, *, gelu=False):
    """Our own linear of this kind; skips where the processor has no instructions for it."""
    dtype, int8 = KINDS[kind]
    kernels = native.kernels(dtype)
    own = kernels and kernels.linear(weight.to(dtype), bias, gelu=gelu, int8=int8)
    if not own:
        pytest.skip(f"no linear of our own for {kind}; kernels are {build.status()}")
    return own


@float_dtypes
@pytest.mark.parametrize("gelu", [False, True])
def test_linear_equals_pytorch_and_a_row_does_not_depend_on_others(dtype, gelu):
    weight, bias, x = (
        draw(*shape, dtype=dtype, seed=seed)
        for seed, shape in enumerate([(40, 64), (40,), (5, 64)])
    )
    linear = Linear(weight, bias, gelu=gelu)
    expected = F.linear(x, weight, bias)
    expected = F.gelu(expected, approximate="tanh") if gelu else expected
    tolerance = TOLERANCE[dtype]
    torch.testing.assert_close(linear(x), expected, rtol=tolerance, atol=4 * tolerance)
    assert torch.equal(linear(x[3:4]), linear(x)[3:4])


@needs_int8
@pytest.mark.parametrize("gelu", [False, True])
def test_int8_linear_is_near_the_exact_result(gelu):
    weight, bias, x = bfloat16(96, 64), bfloat16(96, seed=1), bfloat16(40, 64, seed=2)
    exact = F.linear(x.float(), weight.float(), bias.float())
    if gelu:
        exact = F.gelu(exact, approximate="tanh")
    rounded = Int8Linear(weight, bias, TorchKernels(), gelu=gelu)(x).float()
    assert (rounded - exact).abs().max() < 0.05 * exact.abs().max()
    assert (rounded - exact).square().mean() < 1e-3 * exact.square().mean()


@needs_int8
def test_int8_linear_takes_weights_of_any_layout():
    weight, x = bfloat16(64, 96), bfloat16(5, 64, seed=1)
    assert torch.equal(
        Int8Linear(weight.t(), None, TorchKernels())(x),
        Int8Linear(weight.t().contiguous(), None, TorchKernels())(x),
    )


@needs_int8
def test_int8_linear_does_not_hide_nan():
    x = bfloat16(3, 64)
    x[1, 7] = torch.nan
    rounded = Int8Linear(bfloat16(96, 64, seed=1), None, TorchKernels())(x)
    assert torch.isnan(rounded[1]).all()
    assert torch.isfinite(rounded[[0, 2]]).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("gelu", [False, True])
@pytest.mark.parametrize(("rows", "inputs", "outputs"), [(1, 96, 32), (33, 64, 70), (150, 32, 1)])
def test_packed_linears_equal_pytorch(kind, gelu, rows, inputs, outputs):
    dtype, int8 = KINDS[kind]
    weight, x = draw(outputs, inputs, seed=1).to(dtype), draw(rows, inputs, dtype=dtype)
    bias = draw(outputs, seed=2) if gelu else None
    found = make_packed(kind, weight, bias, gelu=gelu)(x)
    if int8:
        values, scales = TorchKernels().quantize(x)
        x = (values.double() - 128.0) * scales[:, None]
        scales = weight.float().abs().amax(1, keepdim=True) / 127.0
        weight = (weight.float() / scales).round() * scales
    expected = F.linear(x.double(), weight.double(), None if bias is None else bias.double())
    if gelu:
        expected = F.gelu(expected, approximate="tanh")
    assert found.dtype == dtype
    tolerance = TOLERANCE[dtype] if not int8 else 5e-2  # a half may be rounded either way
    torch.testing.assert_close(found.double(), expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("kind", KINDS)
def test_a_packed_row_depends_on_no_other_row_and_not_on_the_number_of_threads(kind):
    linear = make_packed(kind, draw(300, 64, seed=1), draw(300, seed=2), gelu=True)
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
def test_packed_linears_take_weights_and_rows_of_any_layout(kind):
    weight, x = draw(64, 96), draw(48, 64, dtype=KINDS[kind][0], seed=1)
    expected = make_packed(kind, weight.t().contiguous())(x)
    assert torch.equal(make_packed(kind, weight.t())(x), expected)
    assert torch.equal(make_packed(kind, weight.t())(x.t().contiguous().t()), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_nan_in_a_row_makes_that_row_nan_and_no_other(kind):
    x = draw(20, 64, dtype=KINDS[kind][0])
    x[7, 3] = torch.nan
    found = make_packed(kind, draw(40, 64, seed=1))(x)
    assert torch.isnan(found[7]).all()
    assert torch.isfinite(found[:7]).all()
    assert torch.isfinite(found[8:]).all()


@needs_int8
def test_packed_int8_sums_are_exactly_those_of_onednn():
    weight, x = bfloat16(48, 3072), bfloat16(5, 3072, seed=1)
    own = make_packed("int8", weight)
    assert torch.equal(own(x), Int8Linear(weight, None, native.kernels(torch.bfloat16))(x))


def test_torch_kernels_leave_linear_layers_to_the_model():
    assert TorchKernels().linear(draw(32, 16), None, gelu=False, int8=False) is None
    assert TorchKernels().linear(draw(32, 16), None, gelu=False, int8=True) is None
