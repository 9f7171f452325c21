"""A GPT-2 that takes steps of its optimizer and can be restored."""

import copy
import subprocess
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from lm_envs.model.trainable_model import (
    MAX_GRADIENT_NORM,
    TEXTS_PER_PASS,
    FinetunedModel,
    OptimizerStep,
)
from tests.model.engines import CPU, draw
from tests.operations import Operations

STARTS = (3, 5)
LAYERS = 3


@pytest.fixture(scope="module")
def texts():
    rng = np.random.default_rng(0)
    return [rng.integers(0, 700, size) for size in (8, 13)]


@pytest.fixture
def trainable(checkpoint):
    return FinetunedModel(checkpoint, CPU)


def rule(rate=1e-3, decay=0.0, frozen=(False,) * LAYERS):
    return OptimizerStep(rate, decay, np.array(frozen))


def reference_loss(model, texts):
    """By transformers, one text at a time."""
    logits, targets = [], []
    for text, start in zip(texts, STARTS, strict=True):
        logits.append(model(torch.as_tensor(text)[None]).logits[0, start - 1 : -1])
        targets.append(torch.as_tensor(text[start:]))
    return F.cross_entropy(torch.cat(logits), torch.cat(targets))


@torch.no_grad()
def test_hidden_states_equal_transformers(trainable, reference_model, texts):
    tokens = torch.as_tensor(texts[1])[None]
    expected = reference_model.transformer(tokens).last_hidden_state
    torch.testing.assert_close(trainable.hidden_states(tokens), expected, rtol=0, atol=2e-5)


def test_gradients_equal_transformers(trainable, reference_model, texts):
    model = copy.deepcopy(reference_model)
    tokens = torch.as_tensor(texts[1])[None]
    for hidden in (trainable.hidden_states(tokens), model.transformer(tokens).last_hidden_state):
        (hidden * draw(*hidden.shape)).sum().backward()  # a norm's own square hardly changes
    for name, parameter in model.transformer.named_parameters():
        gap = (trainable.weights[name].grad - parameter.grad).norm() / parameter.grad.norm()
        assert gap < 1e-4, name


def test_a_step_is_adamw_on_the_loss_of_transformers(trainable, reference_model, texts):
    model = copy.deepcopy(reference_model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.05)
    for _ in range(3):
        optimizer.zero_grad()
        loss = reference_loss(model, texts)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), MAX_GRADIENT_NORM)
        optimizer.step()
        found = trainable.step(texts, STARTS, rule(decay=0.05))
        assert found == pytest.approx((loss.item(), norm.item()), rel=1e-3)
    with torch.no_grad():
        after = reference_loss(model, texts).item()
    assert trainable.loss(texts, STARTS) == pytest.approx(after, rel=1e-3)


def test_bfloat16_autocast_changes_the_loss_little(checkpoint, trainable, texts):
    rounded = FinetunedModel(checkpoint, CPU, bfloat16=True)
    exact = trainable.loss(texts, STARTS)
    assert rounded.loss(texts, STARTS) == pytest.approx(exact, rel=3e-2)
    assert rounded.loss(texts, STARTS) != exact


def test_frozen_layers_keep_their_weights_and_others_change(trainable, texts):
    names = [f"h.{layer}.mlp.c_fc.weight" for layer in range(LAYERS)]
    before = [trainable.weights[name].detach().clone() for name in names]
    trainable.step(texts, STARTS, rule(frozen=(True, False, True)))
    unchanged = [
        torch.equal(trainable.weights[name], old) for name, old in zip(names, before, strict=True)
    ]
    assert unchanged == [True, False, True]


def test_restored_weights_train_again_bit_for_bit(trainable, texts):
    runs = []
    for _ in range(2):
        runs.append([trainable.step(texts, STARTS, rule()) for _ in range(3)])
        runs[-1].append(trainable.loss(texts, STARTS))
        trainable.restore()
    assert runs[0] == runs[1]


def test_the_loss_of_several_passes_is_the_mean_over_tokens(trainable, texts):
    many, starts = texts * TEXTS_PER_PASS, STARTS * TEXTS_PER_PASS
    assert trainable.loss(many, starts) == pytest.approx(trainable.loss(texts, STARTS), rel=1e-5)


def test_loading_draws_nothing_from_the_global_generator(checkpoint):
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    FinetunedModel(checkpoint, CPU)
    assert torch.rand(1) == expected


def test_a_step_waits_for_the_device_once(trainable, texts):
    """Regression: a mask, the loss and the gradient's norm were read one by one."""
    trainable.step(texts, STARTS, rule())
    with Operations() as found:
        trainable.step(texts, STARTS, rule())
    assert found.waits <= 1


def test_a_loss_that_is_not_finite_changes_no_weight(trainable, texts):
    trainable.step(texts, STARTS, rule(rate=1e30))
    before = {name: weight.detach().clone() for name, weight in trainable.weights.items()}
    with pytest.raises(FloatingPointError, match="lower the learning rate"):
        trainable.step(texts, STARTS, rule())
    for name, weight in trainable.weights.items():
        assert torch.equal(before[name].nan_to_num(), weight.nan_to_num())


def test_training_needs_no_transformers():
    code = "import sys, lm_envs.model.trainable_model; print('transformers' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
