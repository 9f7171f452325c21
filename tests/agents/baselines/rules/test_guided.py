"""Guided decoding on the embedded model, whose sentiment depends on the words that it writes."""

import gymnasium as gym
import numpy as np
import pytest

import lm_envs
from agents.baselines.rules.guided import guided_greedy, pays_sentiment
from agents.evaluation.baselines import greedy
from agents.evaluation.rollouts import mean_scores, run_episodes

gym.register_envs(lm_envs)

INDICES = np.arange(12)


def make(weight):
    arguments = {"rewards": {"fluency": 0.0, "sentiment": weight}, "autoreset_mode": "disabled"}
    return gym.make_vec("lm_envs/NextWord-v0", num_envs=12, **arguments).unwrapped


@pytest.mark.parametrize("weight", [1.0, -1.0])
def test_guidance_moves_the_sentiment_to_where_it_is_rewarded(weight):
    env = make(weight)
    alone, guided = (
        mean_scores(run_episodes(env, guided_greedy(strength, 0), INDICES))["sentiment"]
        for strength in (0.0, 32.0)
    )
    assert weight * (guided - alone) > 0.15


def test_without_strength_it_is_greedy_decoding():
    env = make(1.0)
    found = [t.text for t in run_episodes(env, guided_greedy(0.0, 0), INDICES)]
    assert found == [t.text for t in run_episodes(env, greedy(), INDICES)]


def test_a_sentiment_that_is_only_logged_is_not_guided():
    assert pays_sentiment(make(1.0))
    arguments = {"rewards": {"fluency": 1.0, "sentiment": 0.0}}
    assert not pays_sentiment(gym.make_vec("lm_envs/NextWord-v0", **arguments).unwrapped)
