"""Losses of scaled models."""

import numpy as np
import pytest

from lm_envs.envs.tuning.passages import PassageGroups
from lm_envs.envs.tuning.scaling import LossCache, ScaledModelSpec
from lm_envs.model import loading
from lm_envs.model.engine import Engine
from lm_envs.tasks import TASKS
from lm_envs.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def network():
    return loading.load(loading.locate("embedded"), "cpu", "float32")


@pytest.fixture(scope="module")
def passages():
    tokenizer = Tokenizer.from_folder(loading.locate("embedded"))
    groups = PassageGroups(tokenizer, TASKS["question_answering"](tokenizer), 3, "questions")
    return groups.group(0)


def test_the_loss_of_the_unchanged_model_is_the_cross_entropy_of_the_references(network, passages):
    losses = LossCache(network, 8)
    found = losses.get([ScaledModelSpec(passages, np.ones(losses.shape, np.float32))])
    engine = Engine(network, 1, capacity=100, num_candidates=2, end_token=0)
    logprobs = engine.score(list(passages.tokens))
    parts = [own[start:] for own, start in zip(logprobs, passages.starts, strict=True)]
    assert found[0] == pytest.approx(-np.concatenate(parts).mean(), abs=1e-3)


def test_scales_and_temperature_change_the_loss(network, passages):
    losses = LossCache(network, 8)
    ones = np.ones(losses.shape, np.float32)
    halved = ones.copy()
    halved[0, 0] = 0.5
    specs = [(passages, ones), (passages, halved), (passages, ones, 1.5)]
    found = losses.get([ScaledModelSpec(*spec) for spec in specs])
    assert len(set(found.tolist())) == 3


def test_a_loss_does_not_depend_on_what_is_computed_with_it(network, passages):
    ones = np.ones(LossCache(network, 1).shape, np.float32)
    specs = [ScaledModelSpec(passages, ones * scale) for scale in (1.0, 0.5, 0.25)]
    together = LossCache(network, 8).get(specs)
    alone = [LossCache(network, 8).get([spec])[0] for spec in specs]
    np.testing.assert_allclose(together, alone, rtol=0, atol=1.5e-4)
