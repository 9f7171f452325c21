import gymnasium as gym
import numpy as np
import pytest

import lm_envs
from agents.baselines.rules.tuning.training import (
    LAYERS,
    LOSS_RANGE,
    LOWEST_LOSS,
    START,
    UNFROZEN,
    scheduled,
    scheduled_training,
    trains,
)
from agents.evaluation.rollouts import mean_scores, run_episodes

gym.register_envs(lm_envs)
INDICES = np.arange(6)
POINT = [*START, *[UNFROZEN] * 4]


def make(env_id="lm_envs/TrainingControl-v0", **options):
    kwargs = {"num_envs": 3, "adjustments": 4, "autoreset_mode": "disabled", "split": "validation"}
    return gym.make_vec(env_id, **kwargs | options).unwrapped


@pytest.fixture(scope="module")
def editing():
    return make(passages=5, edits=1, optimiser_steps=1)


def changed(place, value):
    """Returns the usual point with another value at a place."""
    return [value if i == place else each for i, each in enumerate(POINT)]


def test_it_earns_more_than_a_rate_that_harms(editing):
    usual, high = (
        mean_scores(run_episodes(editing, scheduled_training(point), INDICES))["reward"]
        for point in (POINT, changed(0, 1.0))
    )
    assert usual > max(high, 0.5)


def test_it_stops_below_the_loss(editing):
    lowest = LOWEST_LOSS * np.exp(LOSS_RANGE * POINT[4])
    texts = run_episodes(editing, scheduled_training(POINT), INDICES)
    assert any(len(text.token_texts) > 1 and text.text.endswith("stop\n") for text in texts)
    for text in texts:
        *before, last = text.token_texts
        if last == "stop\n" and before:
            losses = [float(each.rsplit(" ", 1)[1]) for each in before]
            assert losses[-1] < lowest < min(losses[:-1], default=1.0)


def test_it_stops_after_a_step_that_gained_too_little(editing):
    texts = run_episodes(editing, scheduled_training(changed(3, 1.0)), INDICES)
    for text in texts:
        gains = text.rewards[: len(text.rewards) - (text.token_texts[-1] == "stop\n")]
        assert (gains[:-1] > 0.1).all()


def test_layers_are_frozen_by_preference(editing):
    point = changed(LAYERS + 2, 0.5)
    texts = run_episodes(editing, scheduled_training(point), INDICES)
    assert all("layers [2] frozen" in text.text for text in texts if text.text != "stop\n")


def test_the_rate_follows_step_and_loss(editing):
    observations, _ = editing.reset(options={"index": INDICES[:3]})
    steep = changed(1, 1.0)
    steep[2] = 1.0
    policy = scheduled_training(steep)
    first = policy(editing, observations)[:, 1]
    losses = editing.tuner.scores()["loss"]
    assert (np.argsort(first) == np.argsort(losses)).all()
    editing.step(np.full((3, 7), -1.0, np.float32))
    expected = POINT[0] + 0.5 + 0.3 * (editing.tuner.scores()["loss"] - 3.0)
    assert policy(editing, editing.observe())[:, 1] == pytest.approx(expected.clip(-1, 1), abs=1e-5)


def test_it_trains_where_passages_are_held_out_too():
    env = make(passages=64, optimiser_steps=4)
    texts = run_episodes(env, scheduled_training(POINT), np.arange(3))
    assert mean_scores(texts)["reward"] > 0.05


def test_the_search_begins_with_each_layer_frozen_alone(editing):
    tried = []

    def mean_reward(point):
        tried.append(point)
        return -abs(point[0] - 0.5) + (point[LAYERS + 1] > 0)

    trials = scheduled(editing).search(mean_reward)
    assert [sum(each > 0 for each in point[LAYERS:]) for point in tried[:5]] == [1, 1, 1, 1, 0]
    best = max(trials, key=lambda trial: trial[1])[0]
    assert best[LAYERS + 1] > 0
    assert abs(best[0] - 0.5) < abs(START[0] - 0.5)


def test_it_is_for_training_only(editing):
    assert trains(editing)
    assert not trains(make("lm_envs/WeightTuning-v0", passages=2))
