import pytest
import torch
from transformers.activations import ACT2FN

from lm_envs.model.architectures.activations import ACTIVATIONS, is_gelu_tanh
from tests.model.engines import draw


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_equals_that_of_transformers(name):
    x = 4 * draw(1000)
    torch.testing.assert_close(ACTIVATIONS[name](x), ACT2FN[name](x), rtol=1e-6, atol=2e-6)


def test_three_names_stand_for_one_formula():
    found = {name for name in ACTIVATIONS if is_gelu_tanh(name)}
    assert found == {"gelu_new", "gelu_fast", "gelu_pytorch_tanh"}
