"""A model in each row that is trained by given settings."""

import pytest

from tests.envs.tuning.helpers import LAYERS, make_one, training_action


def test_the_loss_of_the_first_batch_is_that_of_the_unchanged_model():
    env = make_one("TrainingControl", passages=16)  # a batch of half of them
    env.reset(seed=0)
    observation, *_ = env.step(training_action(0.0))
    assert observation[1] == pytest.approx(0.0, abs=1e-4)


def test_training_lowers_the_held_out_loss():
    env = make_one("TrainingControl", split="validation", passages=32, optimiser_steps=4)
    env.reset(seed=0)
    _, reward, *_ = env.step(training_action(0.25))
    assert reward > 0.1


def test_frozen_layers_cost_less():
    costs = []
    for frozen in ((), range(LAYERS)):
        env = make_one("TrainingControl")
        env.reset(seed=0)
        env.step(training_action(-1.0, frozen=frozen))
        *_, info = env.step(training_action(-1.0, stop=1.0))
        costs.append(info["scores"]["cost"])
    layer = 12 * 256**2
    share = LAYERS * layer / (LAYERS * layer + 6144 * 256)
    assert costs == pytest.approx([1.0, 1.0 - share / 3])
