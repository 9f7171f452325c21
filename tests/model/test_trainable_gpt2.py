"""A GPT-2 that takes steps of its optimizer and can be what it was again."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from lm_envs.model.trainable_gpt2 import CLIPPED_NORM, JUDGED_TOGETHER, FinetunedGPT2, OptimizerStep

STARTS = (3, 5)
LAYERS = 3


@pytest.fixture(scope="module")
def texts():
    rng = np.random.default_rng(0)
    return [rng.integers(0, 700, size) for size in (8, 13)]


@pytest.fixture
def trainable(checkpoint):
    return FinetunedGPT2(checkpoint, torch.device("cpu"))


def rule(rate=1e-3, decay=0.0, frozen=(False,) * LAYERS):
    return OptimizerStep(rate, decay, np.array(frozen))


def loss_of(model, texts):
    """By transformers, one text at a time."""
    logits, words = [], []
    for text, start in zip(texts, STARTS, strict=True):
        logits.append(model(torch.as_tensor(text)[None]).logits[0, start - 1 : -1])
        words.append(torch.as_tensor(text[start:]))
    return F.cross_entropy(torch.cat(logits), torch.cat(words))


def test_a_step_is_adamw_on_the_loss_of_transformers(trainable, reference_model, texts):
    model = copy.deepcopy(reference_model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.05)
    for _ in range(3):
        optimizer.zero_grad()
        loss = loss_of(model, texts)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), CLIPPED_NORM)
        optimizer.step()
        found = trainable.step(texts, STARTS, rule(decay=0.05))
        assert found == pytest.approx((loss.item(), norm.item()), rel=1e-3)
    with torch.no_grad():
        after = loss_of(model, texts).item()
    assert trainable.loss(texts, STARTS) == pytest.approx(after, rel=1e-3)


def test_frozen_layers_stay_and_others_learn(trainable, texts):
    blocks = trainable._model.transformer.h
    before = [block.mlp.c_fc.weight.detach().clone() for block in blocks]
    trainable.step(texts, STARTS, rule(frozen=(True, False, True)))
    stays = [
        torch.equal(block.mlp.c_fc.weight, old) for block, old in zip(blocks, before, strict=True)
    ]
    assert stays == [True, False, True]


def test_what_is_restored_learns_again_bit_for_bit(trainable, texts):
    runs = []
    for _ in range(2):
        runs.append([trainable.step(texts, STARTS, rule()) for _ in range(3)])
        runs[-1].append(trainable.loss(texts, STARTS))
        trainable.restore()
    assert runs[0] == runs[1]


def test_many_texts_lose_what_their_tokens_lose_on_average(trainable, texts):
    many, starts = texts * JUDGED_TOGETHER, STARTS * JUDGED_TOGETHER
    assert trainable.loss(many, starts) == pytest.approx(trainable.loss(texts, STARTS), rel=1e-5)


def test_making_one_draws_nothing_from_the_global_generator(checkpoint):
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    FinetunedGPT2(checkpoint, torch.device("cpu"))
    assert torch.rand(1) == expected


def test_a_loss_that_is_no_number_changes_nothing(trainable, texts):
    trainable.step(texts, STARTS, rule(rate=1e30))
    before = [each.clone() for each in trainable._model.parameters()]
    with pytest.raises(FloatingPointError, match="lower the learning rate"):
        trainable.step(texts, STARTS, rule())
    after = trainable._model.parameters()
    assert all(
        torch.equal(old.nan_to_num(), new.nan_to_num())
        for old, new in zip(before, after, strict=True)
    )
