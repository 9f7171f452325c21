import pytest
import torch
import torch.nn.functional as F

from tests.model.engines import float_dtypes
from tests.model.kernels.triton_kernels import TOLERANCE, draw_there

pytest.importorskip("triton")

from lm_envs.model.kernels.triton_invariant import Tile, TiledLinear

pytestmark = pytest.mark.gpu


@float_dtypes
@pytest.mark.parametrize("gelu", [True, False])
@pytest.mark.parametrize(("rows", "inputs", "outputs"), [(1, 48, 70), (70, 200, 31)])
def test_a_product_equals_that_of_pytorch(dtype, gelu, rows, inputs, outputs):
    x = draw_there(rows, inputs, dtype=dtype)
    weight = (0.1 * draw_there(outputs, inputs, seed=1)).to(dtype)
    bias = draw_there(outputs, seed=2).to(dtype) if gelu else None
    expected = F.linear(x.double(), weight.double(), None if bias is None else bias.double())
    expected = F.gelu(expected, approximate="tanh") if gelu else expected
    found = TiledLinear(weight, bias, gelu=gelu)(x)
    assert found.dtype == dtype
    tolerance = 4 * TOLERANCE[dtype]
    torch.testing.assert_close(found.double(), expected, rtol=tolerance, atol=tolerance)


@float_dtypes
def test_a_row_of_a_product_has_the_same_bits_among_any_number_of_rows(dtype):
    x, weight = (0.1 * draw_there(200, 200)).to(dtype), draw_there(40, 200, dtype=dtype, seed=1)
    linear = TiledLinear(weight, draw_there(40, seed=2), gelu=True)
    together = linear(x)
    for count in (1, 3, 64, 199):
        assert torch.equal(linear(x[:count]), together[:count])
        assert torch.equal(linear(x[-count:]), together[-count:])


def test_another_tile_or_a_divided_sum_has_other_bits():
    """The control: what cuBLAS may choose for another number of rows."""
    x, weight = draw_there(3, 200), draw_there(40, 200, seed=1)
    one_order = TiledLinear(weight, None, gelu=False)(x)
    other_tile = TiledLinear(weight, None, gelu=False, tile=Tile(64, 32, 16))(x)
    halves = [
        TiledLinear(part, None, gelu=False)(x[:, columns])
        for columns in (slice(96), slice(96, 200))
        for part in (weight[:, columns],)
    ]
    for other in (other_tile, sum(halves)):
        assert not torch.equal(other, one_order)
        torch.testing.assert_close(other, one_order, rtol=1e-5, atol=1e-4)
