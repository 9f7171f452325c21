import pytest
import torch

from lm_envs.model.kernels.quantization import quantize_rows
from tests.model.engines import draw


def test_values_times_scales_are_within_half_a_step():
    x = draw(5, 7, 32)
    values, scales = quantize_rows(x)
    assert values.dtype == torch.int8
    assert scales.shape == (5, 7)
    assert values.abs().amax(-1).unique().tolist() == [127]
    assert ((values * scales[..., None] - x).abs() <= 0.501 * scales[..., None]).all()


def test_zeros_stay_zeros_with_a_finite_scale():
    values, scales = quantize_rows(torch.zeros(2, 8))
    assert not values.any()
    assert torch.isfinite(scales).all()


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_an_entry_that_is_not_finite_makes_the_scale_of_its_vector_not_finite(value):
    x = draw(3, 8)
    x[1, 2] = value
    assert torch.isfinite(quantize_rows(x)[1]).tolist() == [True, False, True]
