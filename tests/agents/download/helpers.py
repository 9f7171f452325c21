"""A tiny Llama as a GGUF file, in the way of llama.cpp's converter."""

import json

import gguf
import tokenizers
import torch
from tokenizers import models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TEXT = ["In 1984 twelve friends made a trip; it was not cheap.", "the theme of the other thing"]
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
)


def tiny_tokenizer():
    """Byte-level BPE whose digits are tokens of their own, as SmolLM's."""
    backend = tokenizers.Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(TEXT, trainer)
    return backend


def tiny_llama(vocab_size, seed=0):
    """A random Llama with more query heads than key heads, and an output head of its own."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=vocab_size,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
        rope_theta=100_000.0,
        tie_word_embeddings=False,
    )
    return LlamaForCausalLM(config).eval()


def permuted(weight, heads):
    """Rows of a query or key weight in the order of GGUF: `LlamaModel.permute` of llama.cpp."""
    halves = weight.reshape(heads, 2, weight.shape[0] // heads // 2, weight.shape[1])
    return halves.swapaxes(1, 2).reshape(weight.shape)


def write_gguf(path, model, backend, pre="smollm", quantized=()):
    """Writes a model and its tokenizer with the package `gguf`; `quantized` tensors as Q8_0."""
    config, writer = model.config, gguf.GGUFWriter(path, "llama")
    writer.add_vocab_size(config.vocab_size)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_dimension_count(config.hidden_size // config.num_attention_heads)
    writer.add_rope_freq_base(100_000.0)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    state = backend.get_vocab()
    names = sorted(state, key=lambda name: state[name])
    writer.add_token_list(names)
    writer.add_token_types([3 if name in SPECIAL else 1 for name in names])
    writer.add_token_merges([" ".join(pair) for pair in merges(backend)])
    for add, name in (
        (writer.add_bos_token_id, "<|im_start|>"),
        (writer.add_eos_token_id, "<|im_end|>"),
        (writer.add_pad_token_id, "<|im_end|>"),
        (writer.add_unk_token_id, "<|endoftext|>"),
    ):
        add(state[name])
    writer.add_chat_template(TEMPLATE)
    names_map = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    for name, tensor in model.state_dict().items():
        values = tensor.numpy()
        if name.endswith("q_proj.weight"):
            values = permuted(values, config.num_attention_heads)
        if name.endswith("k_proj.weight"):
            values = permuted(values, config.num_key_value_heads)
        name = names_map.get_name(name.removesuffix(".weight")) + ".weight"
        kind = gguf.GGMLQuantizationType.Q8_0 if name in quantized else None
        data = values if kind is None else gguf.quantize(values, kind)
        writer.add_tensor(name, data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def merges(backend):
    """Pairs of pieces that the tokenizer joins, in order."""
    return json.loads(backend.to_str())["model"]["merges"]
