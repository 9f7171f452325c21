"""What all tuners share, by that of weights."""

import gymnasium as gym
import numpy as np
import pytest

from lm_envs.envs.tuning.passages import PassageGroups
from lm_envs.envs.tuning.weight_tuning import WeightTuner
from lm_envs.model import loading
from lm_envs.tasks import TASKS
from lm_envs.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def tuner():
    folder = loading.locate("embedded")
    tokenizer = Tokenizer.from_folder(folder)
    groups = PassageGroups(tokenizer, TASKS["question_answering"](tokenizer), 2, "questions")
    made = WeightTuner(2, loading.load(folder, "cpu", "float32"), "blocks")
    with pytest.raises(gym.error.ResetNeeded, match="Got no episode yet; call reset"):
        made.passages_of(0)
    made.begin([0, 1], [groups.group(0), groups.group(1)])
    return made, groups


def test_a_row_that_begins_has_its_passages_and_no_change(tuner):
    made, groups = tuner
    made.adjust(np.array([0]), np.ones((1, *made.space.shape), np.float32))
    assert made.observe()[0].any()
    made.begin([0], [groups.group(2)])
    assert made.passages_of(0).index == 2
    assert made.passages_of(1).index == 1
    *settings, first, fall = made.observe()[0].tolist()
    assert (settings, fall) == ([0.0] * len(settings), 0.0)
    assert first == pytest.approx(made.scores()["loss"][0])
    assert made.scores()["reward"][0] == 0.0


def test_observations_lie_within_the_bounds(tuner):
    made, _ = tuner
    low, high = map(np.concatenate, zip(*made.columns.values(), strict=True))
    observations = made.observe()
    assert observations.shape == (2, len(low))
    assert ((low <= observations) & (observations <= high)).all()


def test_each_plan_ends_with_an_action_that_repeats(tuner):
    made, _ = tuner
    assert "as it is" in made.plans
    for plan in made.plans.values():
        assert all(made.space.contains(action) for action in plan)
        assert not plan[-1].any()


def test_continuous_actions_have_no_masks(tuner):
    with pytest.raises(ValueError, match="only discrete ones have masks"):
        tuner[0].masks()
