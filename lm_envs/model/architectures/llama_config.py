"""Configuration and tensor names of the Llama family, and what tells its members apart.

Knows nothing of the arithmetic.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lm_envs.model.architectures.base import HEAD
from lm_envs.model.architectures.config_values import (
    check_counts,
    check_fixed,
    get_activation,
    get_epsilon,
)
from lm_envs.model.architectures.rotary import Rotary, parse_rotary
from lm_envs.model.base import ModelConfig
from lm_envs.validation import check_count

_SIZES = (
    *("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers"),
    *("num_attention_heads", "max_position_embeddings"),
)


BIASES = ("attention_bias", "mlp_bias")
"""Keys of `config.json` that switch biases on."""


@dataclass(frozen=True, slots=True)
class LlamaConfig(ModelConfig):
    """Shape of a network of the Llama family.

    Attributes:
        rotary: Frequencies of the positions.
        qkv_bias: Whether the linears of queries, keys and values have biases.
        output_bias: Whether the linear after attention has one.
        mlp_bias: Whether those of the perceptron have them.
        has_head_norms: Whether queries and keys are normed, each head alone.
    """

    rotary: Rotary = field(default_factory=Rotary)
    qkv_bias: bool = False
    output_bias: bool = False
    mlp_bias: bool = False
    has_head_norms: bool = False


@dataclass(frozen=True, slots=True)
class Member:
    """What tells a `model_type` of the family apart from Llama.

    Attributes:
        bias_keys: Keys of `config.json` that switch biases on; other members have no such key.
        qkv_bias: Whether queries, keys and values always have biases.
        has_head_norms: Whether queries and keys are normed.
        head_dim: Size of a head where `config.json` has none; None for D / H.
        window: Of attention, in tokens, where `config.json` has no `sliding_window`; None for none.
        window_switch: Key that switches `sliding_window` on; None where it is always on.
    """

    bias_keys: tuple[str, ...] = ()
    qkv_bias: bool = False
    has_head_norms: bool = False
    head_dim: int | None = None
    window: int | None = None
    window_switch: str | None = None


def parse_config(values: Mapping[str, Any], source: str, member: Member) -> LlamaConfig:
    """Translates a `config.json` of the family.

    Args:
        values: The file's content.
        source: Name of the file, for messages.
        member: Of the file's `model_type`.

    Raises:
        ValueError: If the network cannot compute such a model; the message names the key.
    """
    check_counts(values, _SIZES, source)
    check_fixed(values, {"pretraining_tp": 1}, source)
    _check_window(values, member, source)
    biases = {key: key in member.bias_keys and values.get(key, False) for key in BIASES}
    return LlamaConfig(
        vocab_size=values["vocab_size"],
        hidden_size=values["hidden_size"],
        num_layers=values["num_hidden_layers"],
        num_heads=values["num_attention_heads"],
        num_kv_heads=_num_kv_heads(values, source),
        max_positions=values["max_position_embeddings"],
        intermediate_size=values["intermediate_size"],
        norm_epsilon=get_epsilon(values, "rms_norm_eps", 1e-6, source),
        head_dim=_head_dim(values, member, source),
        mlp_matrices=3,
        activation=get_activation(values, "hidden_act", "silu", source),
        is_tied=values.get("tie_word_embeddings", False) is True,
        rotary=parse_rotary(values, source),
        qkv_bias=member.qkv_bias or biases["attention_bias"],
        output_bias=biases["attention_bias"],
        mlp_bias=biases["mlp_bias"],
        has_head_norms=member.has_head_norms,
    )


def _num_kv_heads(values: Mapping[str, Any], source: str) -> int:
    """Heads of keys and values; as many as those of queries where the file has no number."""
    heads, given = values["num_attention_heads"], values.get("num_key_value_heads")
    found = heads if given is None else given
    check_count(f"{source}: num_key_value_heads", found)
    if heads % found:
        raise ValueError(
            f"Got num_attention_heads={heads} in {source}; allowed: a multiple of "
            f"num_key_value_heads={found}."
        )
    return found


def _head_dim(values: Mapping[str, Any], member: Member, source: str) -> int:
    """Size of a head, an even number: pairs of numbers are turned."""
    width, heads = values["hidden_size"], values["num_attention_heads"]
    given = values.get("head_dim") or member.head_dim
    if given is None and width % heads:
        raise ValueError(
            f"Got hidden_size={width} in {source}; allowed: a multiple of "
            f"num_attention_heads={heads}, or a head_dim."
        )
    size = width // heads if given is None else given
    check_count(f"{source}: head_dim", size)
    if size % 2:
        raise ValueError(f"Got head_dim={size} in {source}; allowed: an even number.")
    return size


def _check_window(values: Mapping[str, Any], member: Member, source: str) -> None:
    """Refuses a window of attention that is shorter than the longest text."""
    longest = values["max_position_embeddings"]
    window = values.get("sliding_window", member.window)
    if member.window_switch is not None and not values.get(member.window_switch, False):
        window = None
    if window is not None:
        check_count(f"{source}: sliding_window", window)
        if window < longest:
            raise ValueError(
                f"Got sliding_window={window} in {source}; allowed: null, or at least "
                f"max_position_embeddings={longest}. Lower max_position_embeddings to {window}: "
                "texts up to the window are computed exactly."
            )


def tensor_shapes(config: LlamaConfig) -> dict[str, tuple[int, ...]]:
    """Shapes of the tensors of a checkpoint by name; weights of linears are (outputs, inputs)."""
    width, inner, size = config.hidden_size, config.intermediate_size, config.head_size
    queries, keys = config.num_heads * size, config.num_kv_heads * size
    linears = (
        ("self_attn.q_proj", queries, width, config.qkv_bias),
        ("self_attn.k_proj", keys, width, config.qkv_bias),
        ("self_attn.v_proj", keys, width, config.qkv_bias),
        ("self_attn.o_proj", width, queries, config.output_bias),
        ("mlp.gate_proj", inner, width, config.mlp_bias),
        ("mlp.up_proj", inner, width, config.mlp_bias),
        ("mlp.down_proj", width, inner, config.mlp_bias),
    )
    shapes: dict[str, tuple[int, ...]] = {"embed_tokens.weight": (config.vocab_size, width)}
    for layer in range(config.num_layers):
        name = f"layers.{layer}"
        for linear, outputs, inputs, has_bias in linears:
            shapes[f"{name}.{linear}.weight"] = (outputs, inputs)
            if has_bias:
                shapes[f"{name}.{linear}.bias"] = (outputs,)
        if config.has_head_norms:
            shapes[f"{name}.self_attn.q_norm.weight"] = (size,)
            shapes[f"{name}.self_attn.k_norm.weight"] = (size,)
        shapes[f"{name}.input_layernorm.weight"] = (width,)
        shapes[f"{name}.post_attention_layernorm.weight"] = (width,)
    shapes["norm.weight"] = (width,)
    return shapes if config.is_tied else shapes | {HEAD: (config.vocab_size, width)}
