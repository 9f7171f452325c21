import pytest
import torch

from lm_envs.model.architectures.activations import ACTIVATIONS
from lm_envs.model.architectures.gpt2 import GPT2, tensor_shapes
from lm_envs.model.architectures.network import own_copy, scale_parts
from lm_envs.model.base import ModelConfig
from tests.model.engines import draw


def make_network(**changes):
    config = ModelConfig(700, 64, 1, 4, 4, 128, 256, 1e-5, **changes)
    shapes = tensor_shapes(config).items()
    return GPT2(config, {name: draw(*shape) for name, shape in shapes}, torch.float32)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_linear_is_followed_by_the_activation_of_the_config(activation):
    network, weight, bias, x = (
        make_network(activation=activation),
        draw(32, 64),
        draw(32),
        draw(3, 64),
    )
    found = network.activated_linear(weight, bias)(x)
    expected = ACTIVATIONS[activation](x @ weight.T + bias)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_the_output_layer_shares_the_embeddings_or_has_its_own():
    tied, untied = make_network(), make_network(is_tied=False)
    assert tied.head_weights is tied.token_embeddings
    assert untied.head_weights.shape == untied.token_embeddings.shape
    assert untied.head_weights is not untied.token_embeddings


def test_each_part_of_an_output_has_its_own_scale():
    outputs, scales = torch.ones(2, 6), torch.tensor([[1.0, 2.0, 3.0], [0.0, 1.0, 0.5]])
    found = scale_parts(outputs, scales)
    assert found.tolist() == [[1, 1, 2, 2, 3, 3], [0, 0, 1, 1, 0.5, 0.5]]


def test_a_copy_shares_no_memory_and_is_contiguous():
    values = draw(4, 3)
    copied = own_copy(values.t(), torch.float32)
    values.zero_()
    assert copied.is_contiguous()
    assert copied.abs().min() > 0
