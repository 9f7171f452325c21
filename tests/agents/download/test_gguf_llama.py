import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

gguf = pytest.importorskip("gguf")

from agents.download.gguf_llama import load_gguf  # noqa: E402
from tests.agents.download import helpers  # noqa: E402


@pytest.fixture(scope="module")
def original():
    backend = helpers.tiny_tokenizer()
    return helpers.tiny_llama(backend.get_vocab_size()), backend


@pytest.fixture(scope="module")
def file(original, tmp_path_factory):
    path = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    helpers.write_gguf(path, *original)
    return path


def test_tensors_are_those_of_the_original_bit_for_bit(original, file):
    found = load_gguf(file).tensors
    expected = original[0].state_dict()
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        np.testing.assert_array_equal(found[name], tensor.numpy())


def test_transformers_computes_the_same_logits_from_configuration_and_tensors(original, file):
    content = load_gguf(file)
    model = LlamaForCausalLM(LlamaConfig(**content.config)).eval()
    model.load_state_dict({k: torch.from_numpy(v) for k, v in content.tensors.items()})
    tokens = torch.arange(20)[None]
    with torch.inference_mode():
        assert torch.equal(model(tokens).logits, original[0](tokens).logits)


def test_the_tokenizer_encodes_as_the_original(original, file):
    backend = load_gguf(file).tokenizer
    for text in (
        "In 1984 the other friends",
        "<|im_start|>user\nthing 12<|im_end|>",
        "é 北京\n\n 7",
    ):
        assert backend.encode(text).ids == original[1].encode(text).ids
        assert backend.decode(backend.encode(text).ids, skip_special_tokens=False) == text


def test_special_tokens_and_the_chat_template_are_kept(file):
    content = load_gguf(file)
    assert content.tokenizer_config["eos_token"] == "<|im_end|>"
    assert content.tokenizer_config["chat_template"] == helpers.TEMPLATE
    assert content.config["eos_token_id"] == 2
    assert content.config["tie_word_embeddings"] is False


def test_quantized_tensors_are_dequantized(original, tmp_path):
    model = helpers.tiny_llama(original[0].config.vocab_size)
    weight = model.lm_head.weight.detach().numpy()
    path = tmp_path / "q8.gguf"
    helpers.write_gguf(path, model, original[1], quantized=("output.weight",))
    content = load_gguf(path)
    assert content.quantization["Q8_0"] == 1
    # Blocks of 32 numbers share a scale, a float16; half a step is the error of rounding.
    step = np.abs(weight).reshape(-1, 32).max(1) / 127
    error = np.abs(content.tensors["lm_head.weight"] - weight).reshape(-1, 32).max(1)
    assert error.max() > 0
    assert (error <= 0.6 * step).all()


def test_another_tokenizer_is_refused_by_name(original, tmp_path):
    path = tmp_path / "other.gguf"
    helpers.write_gguf(path, *original, pre="llama-bpe")
    with pytest.raises(ValueError, match=r"Got tokenizer.ggml.pre='llama-bpe' in .*'smollm'"):
        load_gguf(path)
