import pytest
import torch
import torch.nn.functional as F

from tests.model.engines import draw, float_dtypes, needs_cuda
from tests.model.kernels.triton_kernels import TORCH, TRITON, draw_there


def test_many_candidates_are_searched_by_pytorch():
    logits, hidden, embeddings = draw_there(2, 700), draw_there(2, 48), draw_there(700, 48, seed=1)
    found, expected = (
        kernels.top_k(logits, hidden, embeddings, None, 200, 0) for kernels in (TRITON, TORCH)
    )
    assert torch.equal(found.candidates, expected.candidates)


def test_layers_on_the_cpu_are_pytorchs():
    assert TRITON.linear(draw(8, 4), draw(8), gelu=True, int8=False) is None


@pytest.mark.gpu
@needs_cuda
@float_dtypes
def test_a_layer_with_gelu_on_cuda_is_the_tanh_form(dtype):
    x, weight, bias = draw_there(5, 64), 0.1 * draw_there(96, 64, seed=1), draw_there(96, seed=2)
    layer = TRITON.linear(weight.to(dtype), bias, gelu=True, int8=False)
    assert layer is not None
    expected = F.gelu(F.linear(x.double(), weight.double(), bias.double()), approximate="tanh")
    tolerance = 5e-5 if dtype == torch.float32 else 5e-2
    torch.testing.assert_close(layer(x.to(dtype)).double(), expected, rtol=0, atol=tolerance)
