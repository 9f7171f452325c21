import pytest

from lm_envs.model.architectures.llama_config import Member, parse_config, tensor_shapes
from lm_envs.model.architectures.registry import ARCHITECTURES
from tests.model.architectures.checkpoints import LLAMA

FILE = "config.json"


def parse(model_type="llama", **changes):
    return ARCHITECTURES[model_type].parse_config(LLAMA | changes, FILE)


def test_absent_keys_have_the_defaults_of_transformers():
    config = parse()
    assert (config.num_kv_heads, config.head_size, config.mlp_matrices) == (2, 16, 3)
    assert (config.activation, config.norm_epsilon, config.is_tied) == ("silu", 1e-6, False)
    assert not any((config.qkv_bias, config.output_bias, config.mlp_bias, config.has_head_norms))
    assert parse(num_key_value_heads=None).num_kv_heads == 4
    assert parse("qwen3").head_size == 128
    assert config == parse_config(LLAMA, FILE, Member())


def test_members_differ_in_biases_and_norms():
    biases = {"attention_bias": True, "mlp_bias": True}
    found = {
        name: (config.qkv_bias, config.output_bias, config.mlp_bias, config.has_head_norms)
        for name in ("llama", "mistral", "qwen2", "qwen3")
        for config in [parse(name, **biases)]
    }
    assert found == {
        "llama": (True, True, True, False),
        "mistral": (False, False, False, False),
        "qwen2": (True, False, False, False),
        "qwen3": (True, True, False, True),
    }


def test_a_layer_has_as_many_matrix_weights_as_its_tensors():
    config = parse("qwen3", head_dim=32)
    sizes = {
        name: shape[0] * shape[1]
        for name, shape in tensor_shapes(config).items()
        if name.startswith("layers.0.") and len(shape) == 2
    }
    assert config.attention_weights == sum(n for name, n in sizes.items() if "attn" in name)
    assert config.mlp_weights == sum(n for name, n in sizes.items() if "mlp" in name)


@pytest.mark.parametrize("model_type", ["mistral", "qwen2", "qwen3"])
def test_a_window_shorter_than_the_longest_text_is_refused(model_type):
    switch = {} if model_type == "mistral" else {"use_sliding_window": True}
    for window in (None, 160, 4096):
        parse(model_type, sliding_window=window, **switch)
    with pytest.raises(ValueError, match=r"sliding_window=64 in config\.json; .*embeddings to 64"):
        parse(model_type, sliding_window=64, **switch)
    if model_type == "mistral":  # the default of transformers
        with pytest.raises(ValueError, match=r"sliding_window=4096 in config\.json"):
            parse(model_type, max_position_embeddings=8192)
    if switch:  # these members name a window that is switched off
        parse(model_type, sliding_window=64)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_key_value_heads": 3}, "num_attention_heads=4 in .*; allowed: a multiple of .*=3"),
        ({"num_key_value_heads": 0}, "config.json: num_key_value_heads=0; allowed: a whole number"),
        ({"hidden_size": 66}, "hidden_size=66 in .*multiple of num_attention_heads=4, or a head_d"),
        ({"head_dim": 15}, "head_dim=15 in config.json; allowed: an even number"),
        ({"pretraining_tp": 2}, "only pretraining_tp=1 is supported"),
        ({"hidden_act": "mish"}, "hidden_act='mish' in config.json; allowed: 'gelu'"),
        ({"rms_norm_eps": 0}, "rms_norm_eps=0 in config.json; allowed: over 0"),
        ({"rope_scaling": {"rope_type": "yarn"}}, "rope_scaling of type 'yarn' in config.json"),
        ({"vocab_size": None}, "config.json: vocab_size=None; allowed: a whole number"),
    ],
)
def test_a_config_of_another_network_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        parse(**changes)
