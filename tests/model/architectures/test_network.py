import numpy as np
import pytest
import torch

from lm_envs.model.architectures.activations import ACTIVATIONS
from lm_envs.model.architectures.gpt2 import GPT2, tensor_shapes
from lm_envs.model.architectures.network import own_copy, scale_parts
from lm_envs.model.base import ModelConfig
from lm_envs.model.loading import read_checkpoint
from tests.model.engines import all_dtypes, draw, make_engine


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


@all_dtypes
def test_a_network_with_the_tensors_of_another_computes_the_same(any_checkpoint, dtype):
    architecture, config, weights = read_checkpoint(any_checkpoint, "cpu")
    other = {name: weight + 0.1 * draw(*weight.shape) for name, weight in weights.items()}
    options = {"int8": dtype == "int8"}
    kind = torch.bfloat16 if dtype == "int8" else getattr(torch, dtype)
    source, target = (
        architecture.network(config, each, kind, **options) for each in (weights, other)
    )
    expected, before = (outputs_of(network) for network in (source, target))
    assert not np.array_equal(before, expected)
    for own, new in zip(target.tensors, source.tensors, strict=True):
        own.copy_(new)
    np.testing.assert_array_equal(outputs_of(target), expected)


def outputs_of(network):
    return make_engine(network, 1).prefill(np.arange(1), [np.arange(1, 20)]).hidden
