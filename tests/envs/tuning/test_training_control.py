"""Training that actions control."""

import pytest

from tests.envs.tuning.helpers import make_one, training_action
from tests.model.engines import needs_cuda


def test_stopping_costs_nothing_and_changes_nothing():
    env = make_one("TrainingControl")
    env.reset(seed=0)
    _, reward, terminated, _, info = env.step(training_action(1.0, stop=1.0))
    assert (reward, terminated, info["text"]) == (0.0, True, "stop\n")


@pytest.mark.gpu
@needs_cuda
def test_deterministic_training_on_cuda_is_refused():
    with pytest.raises(ValueError, match="deterministic=True for training on cuda:0"):
        make_one("TrainingControl", device="cuda", deterministic=True)


@pytest.mark.parametrize("edits", [0, 5, 1.5])
def test_edits_leave_some_passages(edits):
    with pytest.raises(ValueError, match="edits"):
        make_one("TrainingControl", passages=5, edits=edits)


def test_harm_is_a_number():
    with pytest.raises(ValueError, match="harm"):
        make_one("TrainingControl", edits=1, harm="much")


def test_harm_needs_edits():
    with pytest.raises(ValueError, match="without edits; allowed: both"):
        make_one("TrainingControl", harm=2.0)
