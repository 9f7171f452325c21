import pytest
import torch
from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

from lm_envs.model.architectures.rotary import LongContext, Rotary, parse_rotary
from lm_envs.model.kernels.torch_ops import turn
from tests.model.architectures.checkpoints import LLAMA3
from tests.model.engines import CPU, draw

SCALING = {key: value for key, value in LLAMA3.items() if key != "rope_theta"}


@pytest.mark.parametrize(
    "values",
    [
        {"rope_theta": 10000.0, "rope_scaling": SCALING},
        {"rope_theta": 10000.0, "rope_scaling": {**SCALING, "type": "llama3"}},
        {"rope_parameters": LLAMA3},
    ],
)
def test_configs_of_transformers_4_and_5_are_read_alike(values):
    expected = Rotary(10000.0, LongContext(8.0, 1.0, 4.0, 64.0))
    assert parse_rotary(values, "config.json") == expected


def test_a_config_without_rotary_keys_has_the_usual_base():
    assert parse_rotary({"rope_scaling": None}, "config.json") == Rotary(10000.0)
    assert parse_rotary({"rope_theta": 5e5}, "config.json") == Rotary(5e5)


@pytest.mark.parametrize("parameters", [{"rope_type": "default", "rope_theta": 5e5}, LLAMA3])
def test_angles_equal_transformers(parameters):
    config = LlamaConfig(
        hidden_size=64, num_attention_heads=1, rope_parameters=dict(parameters), head_dim=64
    )
    found = parse_rotary({"rope_parameters": parameters}, "config.json").table(200, 64, CPU)
    cosines, sines = LlamaRotaryEmbedding(config)(torch.zeros(1), torch.arange(200)[None])
    expected = torch.cat([cosines[0, :, :32], sines[0, :, :32]], -1)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


def test_turned_heads_keep_their_length_and_their_angles_to_each_other():
    heads, turns = draw(1, 2, 8), Rotary().table(9, 8, CPU)
    turned = turn(heads.expand(9, -1, -1), turns)
    assert torch.equal(turned[0], heads[0])
    torch.testing.assert_close(turned.norm(dim=-1), heads.norm(dim=-1).expand(9, -1))
    one_apart = (turned[1:, 0] * turned[:-1, 1]).sum(-1)
    torch.testing.assert_close(one_apart, one_apart[:1].expand(8))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"rope_scaling": {"type": "linear"}}, "rope_scaling of type 'linear' in .*'default', 'll"),
        ({"rope_parameters": {"rope_type": "yarn"}}, "rope_parameters of type 'yarn' in config"),
        ({"rope_scaling": "llama3"}, "rope_scaling='llama3' in config.json; allowed: an object"),
        ({"partial_rotary_factor": 0.5}, "partial_rotary_factor=0.5 in config.json; only 1.0"),
        ({"rope_theta": 0.0}, "config.json: rope_theta=0.0; allowed: over 0"),
        ({"rope_theta": "big"}, "config.json: rope_theta='big'; allowed: a finite number"),
        ({"rope_scaling": {**SCALING, "factor": None}}, "rope_scaling.factor=None; allowed"),
        ({"rope_scaling": {**SCALING, "low_freq_factor": 4.0}}, "less than high_freq_factor=4.0"),
    ],
)
def test_another_kind_of_positions_is_refused_by_name(values, message):
    with pytest.raises(ValueError, match=message):
        parse_rotary(values, "config.json")
