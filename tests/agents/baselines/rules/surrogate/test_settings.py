from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest

import lm_envs
from agents.baselines.learned_examples import LearnedExamples
from agents.baselines.rules.surrogate.regression import learned_prior
from agents.baselines.rules.surrogate.settings import (
    polynomial,
    surrogate_search,
    tried_settings,
)
from agents.baselines.rules.tuning.line_search import line_search
from agents.evaluation.rollouts import mean_scores, run_episodes

gym.register_envs(lm_envs)
KNOWN, OTHERS = np.arange(0, 32), np.arange(48, 60)


@pytest.fixture(scope="module")
def env():
    options = {"passages": 2, "split": "validation", "autoreset_mode": "disabled"}
    return gym.make_vec("lm_envs/WeightTuning-v0", num_envs=12, **options).unwrapped


@pytest.fixture(scope="module")
def measured(env):
    return tried_settings(LearnedExamples(env, KNOWN), tried=5)


def reward(env, policy):
    return mean_scores(run_episodes(env, policy, OTHERS))["reward"]


def test_a_polynomial_has_settings_products_and_cubes():
    assert polynomial(np.array([[2.0, 3.0]])).tolist() == [[2.0, 3.0, 4.0, 6.0, 9.0, 8.0, 27.0]]


def test_what_is_measured_is_the_fall_of_the_loss_at_these_settings(env, measured):
    size = env.single_action_space.shape[0]
    assert [len(group.values) for group in measured] == [5 * (env.budget - 1)] * len(KNOWN)
    group = measured[0]
    place = int(np.abs(group.features[:, :size]).sum(1).argmax())
    env.reset(options={"index": np.zeros(12, int)})
    settings = group.features[place, :size]
    while np.abs(settings - env.observe()[0, :size]).max() > 1e-6:
        change = (settings - env.observe()[0, :size]) / 0.25
        env.step(np.tile(change.clip(-1.0, 1.0), (12, 1)).astype(np.float32))
    assert env.tuner.scores()["reward"][0] == pytest.approx(group.values[place], abs=1e-3)


def test_it_is_far_ahead_of_a_line_search_on_other_examples(env, measured):
    prior = learned_prior([group.over(-1.0) for group in measured], 0.5)
    assert reward(env, surrogate_search(prior, 0.0)) > reward(env, line_search(1.0)) + 0.1


def test_measuring_in_the_episode_raises_what_it_earns(env, measured):
    prior = learned_prior([group.over(-1.0) for group in measured], 0.5)
    blind = replace(prior, noise=1.0e6)  # measurements tell nothing
    assert reward(env, surrogate_search(prior, 0.0)) > reward(env, surrogate_search(blind, 0.0))
