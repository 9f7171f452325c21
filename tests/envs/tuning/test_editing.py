"""Facts that are taught to a model without harm to others."""

import numpy as np
import pytest

from lm_envs.testing import check_environment
from tests.envs.tuning.helpers import LAYERS, make_one, make_rows, training_action

EDITING = {"passages": 5, "edits": 1, "split": "validation", "adjustments": 3}


def columns(env, observation):
    """Returns the columns of an observation of one row by name."""
    places = env.observation_space.columns
    return {name: observation[place] for name, place in places.items()}


def played(actions, index=3, **options):
    """Returns the environment, its observation after the actions, and the last information."""
    env = make_one("TrainingControl", **EDITING | options)
    env.reset(seed=0, options={"index": index})
    for each in actions:
        observation, *_, info = env.step(each)
    return env, columns(env, observation), info


def test_the_learned_fact_is_known_by_heart_in_the_end():
    _, found, _ = played([training_action(0.0)] * 3)
    assert found["loss"] < 0.05 < 1.0 < found["loss_fall"]


def test_a_high_rate_harms_other_facts_and_a_low_one_hardly():
    _, high, _ = played([training_action(1.0)] * 2)
    _, low, _ = played([training_action(-1.0)] * 2)
    assert high["other_rise"] > 1.0
    assert abs(low["other_rise"]) < 0.1


def test_last_changes_sum_to_those_since_the_start():
    env = make_one("TrainingControl", **EDITING)
    env.reset(seed=0)
    steps = [columns(env, env.step(training_action(0.25))[0]) for _ in range(3)]
    falls, rises = (sum(step[name] for step in steps) for name in ("last_fall", "last_other_rise"))
    assert falls == pytest.approx(steps[-1]["loss_fall"], abs=1e-4)
    assert rises == pytest.approx(steps[-1]["other_rise"], abs=1e-4)
    assert steps[0]["last_fall"] != pytest.approx(steps[1]["last_fall"], abs=1e-3)


def test_the_reward_is_the_fall_less_harm_and_price():
    rewards = []
    for harm in (0.0, 2.0):
        _, found, info = played([training_action(0.75)] * 3, harm=harm, price=0.1)
        scores = info["scores"]
        expected = found["loss_fall"] - harm * max(scores["other_rise"], 0.0) - 0.1 * scores["cost"]
        assert scores["reward"] == pytest.approx(expected, abs=1e-4)
        rewards.append(scores["reward"])
    assert rewards[0] > rewards[1] + 1.0


def test_a_fall_of_the_others_loss_is_not_paid():
    rewards = []
    for harm in (0.0, 1000.0):
        _, found, info = played([training_action(-1.0)] * 3, index=9, harm=harm)
        assert found["other_rise"] < 0.0
        rewards.append(info["scores"]["reward"])
    assert rewards[0] == rewards[1]


def test_rows_do_not_depend_on_each_other():
    alone = make_rows("TrainingControl", 1, **EDITING)
    together = make_rows("TrainingControl", 3, **EDITING)
    alone.reset(options={"index": [7]})
    together.reset(options={"index": [2, 7, 9]})
    low, high = training_action(-0.5), training_action(0.5)
    one, *_ = alone.step(low[None])
    three, *_ = together.step(np.stack([high, low, high]))
    assert three[1] == pytest.approx(one[0], abs=1e-5)
    assert three[0] != pytest.approx(one[0], abs=1e-2)


def test_each_example_of_the_split_is_edited_in_one_episode():
    env = make_rows("TrainingControl", 1, **EDITING).unwrapped
    held_out = make_rows("TrainingControl", 1, passages=5, split="validation").unwrapped
    assert env.num_examples == pytest.approx(5 * held_out.num_examples, abs=4)
    firsts = {env.passages(index).tokens[0].tobytes() for index in range(env.num_examples)}
    assert len(firsts) == env.num_examples


def test_an_action_has_as_many_numbers_as_without_edits():
    env = make_one("TrainingControl", **EDITING)
    assert env.action_space.shape == (3 + LAYERS,)


def test_the_contract_holds_with_edits():
    check_environment("lm_envs/TrainingControl-v0", steps=6, optimiser_steps=1, **EDITING)
