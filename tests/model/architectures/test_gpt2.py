import numpy as np
import pytest
import torch

from lm_envs.model.architectures.gpt2 import parse_config, tensor_shapes
from lm_envs.model.attention import PrefillAttention
from tests.model.engines import random_tokens

VALUES = {"vocab_size": 700, "n_positions": 160, "n_embd": 96, "n_layer": 3, "n_head": 6}


@torch.no_grad()
def test_hidden_states_equal_transformers(reference_model, model):
    tokens = torch.as_tensor(random_tokens(np.random.default_rng(0), 50))
    attend = PrefillAttention(None, torch.arange(1), 50)
    found = model.forward(tokens, torch.arange(50), attend)
    expected = reference_model.transformer(tokens[None]).last_hidden_state[0]
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-5)
    assert (found.abs() <= model.hidden_bound).all()


def test_the_config_of_a_checkpoint_is_translated(reference_model, model):
    config = parse_config(reference_model.config.to_dict(), "config.json")
    assert config == model.config == parse_config(VALUES, "config.json")
    assert config.intermediate_size == 4 * 96
    assert config.num_kv_heads == config.num_heads == 6


def test_tensor_shapes_are_those_of_transformers(reference_model, model):
    expected = reference_model.transformer.state_dict()
    shapes = tensor_shapes(model.config)
    assert shapes == {name: tuple(tensor.shape) for name, tensor in expected.items()}
    assert list(shapes) == list(expected)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_head": 5}, r"n_embd=96 in config\.json; allowed: a multiple of n_head=5"),
        ({"n_layer": 0}, r"config\.json: n_layer=0; allowed: a whole number"),
        ({"activation_function": "mish"}, "activation_function='mish' in config.json; allowed: "),
        (
            {"scale_attn_weights": 1.5},
            "scale_attn_weights=1.5 in config.json; allowed: true, false",
        ),
        ({"add_cross_attention": True}, "only add_cross_attention=False is supported"),
    ],
)
def test_a_config_of_another_network_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        parse_config(VALUES | changes, "config.json")
