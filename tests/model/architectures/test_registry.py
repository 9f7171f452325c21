"""Every architecture against transformers, by tiny checkpoints with random weights."""

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from lm_envs.model import loading
from lm_envs.model.architectures import network
from lm_envs.model.architectures.registry import ARCHITECTURES, find_architecture
from lm_envs.model.kernels.torch_ops import TorchKernels
from lm_envs.model.loading import fetched_folder
from tests.model.architectures.checkpoints import (
    LLAMA_VARIANTS,
    VARIANTS,
    compare_logits,
    load_reference,
    make_reference,
)
from tests.model.engines import make_engine, needs_compiler, needs_int8, random_tokens, walk

MOST_DIFFERENCE = 2e-5
"""Of float32 logits, as a share of the largest logit."""

CLEAR_MARGIN = 0.01
"""Margin of a clear first choice, as a share of the largest logit: bfloat16's steps are 0.004 to
0.008 of a number. The logits of random weights lie close together, so that up to 1 of 4 first
choices is not clear; transformers' own bfloat16 chooses another token in 1 to 3 of 100 steps."""

MOST_LIKE = ("gpt2", "gpt2, relu", "gpt2, scaled by layer", "llama, biases", "qwen2", "qwen3")
"""Variants whose bfloat16 is compared; the others compute by the same kernels."""

both_kernels = pytest.mark.parametrize(
    "kernels", [pytest.param("native", marks=needs_compiler), "torch"]
)


@pytest.fixture
def load(monkeypatch, tmp_path):
    """Loads a variant, computed by the named kernels."""

    def load(variant, kernels, dtype="float32"):
        if kernels == "torch":
            monkeypatch.setattr(network, "kernels_for", lambda *_: TorchKernels())
        return load_reference(make_reference(variant), tmp_path, dtype)

    return load


@both_kernels
@pytest.mark.parametrize("variant", VARIANTS)
def test_logits_equal_transformers(variant, kernels, load):
    found = compare_logits(load(variant, kernels), make_reference(variant), 8, 100)
    assert found.difference <= MOST_DIFFERENCE * found.largest
    assert found.agrees.float().mean() >= 0.999


@pytest.mark.slow
@both_kernels
@pytest.mark.parametrize("variant", VARIANTS)
def test_logits_equal_transformers_for_a_thousand_steps(variant, kernels, load):
    found = compare_logits(load(variant, kernels), make_reference(variant), 8, 1000)
    assert found.difference <= MOST_DIFFERENCE * found.largest


@pytest.mark.slow
@pytest.mark.skipif(not fetched_folder("smollm2").is_dir(), reason="needs the fetched smollm2")
def test_smollm2_computes_as_in_transformers():
    folder = fetched_folder("smollm2")
    reference = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    found = compare_logits(loading.load(folder, "cpu", "float32"), reference, 8, 1000)
    assert found.difference <= MOST_DIFFERENCE * found.largest
    rounded = compare_logits(loading.load(folder, "cpu", "bfloat16"), reference, 8, 200)
    # After random tokens this model is undecided: half of its first choices are not clear.
    check_rounded(rounded, least_clear=0.4, least=0.95)


def check_rounded(found, least_clear=0.7, least=0.97):
    is_clear = found.margins >= CLEAR_MARGIN * found.largest
    assert is_clear.float().mean() > least_clear
    assert found.agrees[is_clear].float().mean() >= 0.99
    assert found.agrees.float().mean() >= least


@both_kernels
@pytest.mark.parametrize("variant", MOST_LIKE)
def test_bfloat16_chooses_as_transformers_in_float32(variant, kernels, load):
    model = load(variant, kernels, "bfloat16")
    check_rounded(compare_logits(model, make_reference(variant), 8, 100))


@pytest.mark.slow
@both_kernels
@pytest.mark.parametrize("variant", VARIANTS)
def test_bfloat16_chooses_as_transformers_for_a_thousand_steps(variant, kernels, load):
    model = load(variant, kernels, "bfloat16")
    check_rounded(compare_logits(model, make_reference(variant), 8, 1000))


@needs_int8
@pytest.mark.parametrize("variant", ["gpt2, relu", "qwen2", "qwen3"])
def test_int8_mostly_chooses_as_transformers_in_float32(variant, load):
    model = load(variant, "native", "int8")
    found = compare_logits(model, make_reference(variant), 8, 100, cache_dtype="int8")
    assert found.agrees.float().mean() >= 0.9


@both_kernels
@pytest.mark.parametrize("variant", ["llama, one key head", "qwen3"])
def test_every_way_of_reading_tokens_agrees_with_transformers(variant, kernels, load):
    reference, rng = make_reference(variant), np.random.default_rng(0)
    engine = make_engine(load(variant, kernels), 3, capacity=150)

    @torch.no_grad()
    def expected(text, start):
        logprobs = reference(torch.as_tensor(text)[None]).logits[0].log_softmax(-1)
        return logprobs[torch.arange(start - 1, len(text) - 1), torch.as_tensor(text[start:])]

    def agree(found, text, start):
        np.testing.assert_allclose(found, expected(text, start), rtol=0, atol=3e-5)

    prompts = [random_tokens(rng, size) for size in (130, 7, 1)]
    engine.prefill(np.arange(3), prompts)
    options = [[random_tokens(rng, size) for size in (3, 1)] for _ in prompts]
    for prompt, own, scores in zip(
        prompts, options, engine.score_options(np.arange(3), options), strict=True
    ):
        for option, found in zip(own, scores, strict=True):
            agree(found, np.append(prompt, option), len(prompt))
    more = [random_tokens(rng, size) for size in (5, 2, 9)]
    for prompt, own, found in zip(
        prompts, more, engine.extend_scored(np.arange(3), more), strict=True
    ):
        agree(found, np.append(prompt, own), len(prompt))
    for prompt, found in zip(prompts, engine.score(prompts), strict=True):
        agree(found[1:], prompt, 1)


@both_kernels
@pytest.mark.parametrize("variant", ["llama", "llama, one key head", "qwen3"])
def test_a_row_of_a_batch_equals_a_batch_of_one_bit_for_bit(variant, kernels, load):
    model = load(variant, kernels)
    for (many, _), (one, _) in zip(walk(model, 7, 40), walk(model, 1, 40), strict=True):
        assert np.array_equal(many.hidden[:1], one.hidden)
        assert np.array_equal(many.logprobs[:1], one.logprobs)


@pytest.mark.parametrize("variant", LLAMA_VARIANTS)
def test_slots_hold_the_key_and_value_heads_only(variant, load):
    model = load(variant, "native")
    config = make_reference(variant).config
    engine = make_engine(model, 2, capacity=32)
    vectors = 2 * config.num_hidden_layers * config.num_key_value_heads * 2 * 32
    assert engine.num_bytes == 4 * vectors * model.config.head_size


def test_a_config_without_a_model_type_is_of_gpt2():
    assert find_architecture({}, "config.json") is ARCHITECTURES["gpt2"]


@pytest.mark.parametrize("model_type", ["mamba", None, ["llama"]])
def test_an_unknown_model_type_is_refused_with_the_allowed_ones(model_type):
    with pytest.raises(
        ValueError, match=r"Got model_type=.* in config\.json; allowed: 'gpt2', 'll"
    ):
        find_architecture({"model_type": model_type}, "config.json")
