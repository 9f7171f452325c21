"""Losses of texts under a model whose heads and perceptrons are scaled."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from lm_envs.model import loading
from lm_envs.model.scaled_model import ScaledModel
from tests.operations import Operations

SIZES, STARTS = (9, 30, 17, 40), (1, 12, 5, 39)
HEADS = 6


@pytest.fixture(scope="module")
def texts():
    rng = np.random.default_rng(0)
    return [rng.integers(0, 700, size) for size in SIZES]


@pytest.fixture(scope="module")
def scaled(checkpoint):
    return ScaledModel(loading.load(checkpoint, "cpu", "float32"))


def ones(scaled):
    return np.ones((len(SIZES), *scaled.shape), np.float32)


def expected(model, texts, temperature=1.0):
    """Loss of each text by transformers' own forward."""
    found = []
    for text, start in zip(texts, STARTS, strict=True):
        with torch.no_grad():
            logits = model(torch.as_tensor(text)[None]).logits[0] / temperature
        found.append(F.cross_entropy(logits[start - 1 : -1], torch.as_tensor(text[start:])).item())
    return np.array(found)


def test_losses_at_scale_1_equal_transformers(scaled, reference_model, texts):
    found = scaled.losses(texts, STARTS, ones(scaled), np.ones(4, np.float32))
    np.testing.assert_allclose(found, expected(reference_model, texts), rtol=0, atol=1e-4)


def test_temperature_divides_logits(scaled, reference_model, texts):
    found = scaled.losses(texts, STARTS, ones(scaled), np.full(4, 1.7, np.float32))
    np.testing.assert_allclose(found, expected(reference_model, texts, 1.7), rtol=0, atol=1e-4)


@pytest.mark.parametrize("scale", [0.0, 0.6])
def test_scaling_a_head_equals_scaling_its_output_weights(scaled, reference_model, texts, scale):
    model, scales = copy.deepcopy(reference_model), ones(scaled)
    size = model.config.n_embd // HEADS
    with torch.no_grad():
        model.transformer.h[1].attn.c_proj.weight[2 * size : 3 * size] *= scale
    scales[:, 1, 2] = scale
    found = scaled.losses(texts, STARTS, scales, np.ones(4, np.float32))
    np.testing.assert_allclose(found, expected(model, texts), rtol=0, atol=1e-4)


@pytest.mark.parametrize("scale", [0.0, 1.4])
def test_scaling_a_perceptron_equals_scaling_its_output_layer(
    scaled, reference_model, texts, scale
):
    model, scales = copy.deepcopy(reference_model), ones(scaled)
    with torch.no_grad():
        model.transformer.h[2].mlp.c_proj.weight *= scale
        model.transformer.h[2].mlp.c_proj.bias *= scale
    scales[:, 2, HEADS] = scale
    found = scaled.losses(texts, STARTS, scales, np.ones(4, np.float32))
    np.testing.assert_allclose(found, expected(model, texts), rtol=0, atol=1e-4)


def test_a_text_has_the_same_loss_bit_for_bit_alone_and_in_a_batch(scaled, texts):
    rng = np.random.default_rng(1)
    scales = rng.uniform(0.5, 1.5, ones(scaled).shape).astype(np.float32)
    temperatures = rng.uniform(0.7, 1.4, 4).astype(np.float32)
    together = scaled.losses(texts, STARTS, scales, temperatures)
    for index in range(4):
        part = slice(index, index + 1)
        alone = scaled.losses(texts[part], STARTS[part], scales[part], temperatures[part])
        assert alone[0] == together[index]


def test_losses_need_no_mask_on_the_device(scaled, texts):
    with Operations() as found:
        scaled.losses(texts, STARTS, ones(scaled), np.ones(len(SIZES), np.float32))
    assert found.waits == 0
