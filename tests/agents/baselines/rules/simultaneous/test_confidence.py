import gymnasium as gym
import numpy as np
import pytest

import lm_envs
from agents.baselines.rules.simultaneous.confidence import confident
from agents.evaluation.rollouts import evenly_spaced_indices, mean_scores, run_episodes

gym.register_envs(lm_envs)
INDICES = np.arange(12)


def make(split):
    options = {"mode": "simultaneous", "split": split, "autoreset_mode": "disabled"}
    return gym.make_vec("lm_envs/Translation-v0", num_envs=6, **options).unwrapped


@pytest.fixture(scope="module")
def env():
    return make("train")


def scores(env, policy, indices=INDICES):
    return mean_scores(run_episodes(env, policy, indices))


def lagging(env, policy):
    return scores(env, policy)["lagging"]


def test_more_confidence_waits_longer(env):
    laggings = [lagging(env, confident(least, 99)) for least in (0.0, 0.5, 0.99)]
    assert laggings[0] < laggings[1] < laggings[2]


def test_a_bound_on_the_lag_ends_the_waiting(env):
    assert lagging(env, confident(1.0, 2)) < lagging(env, confident(1.0, 99)) - 0.5


def test_words_that_cost_no_lag_are_read_and_improve_the_translation():
    env = make("validation")
    indices = evenly_spaced_indices(env.num_examples, 40)
    before, after = (scores(env, confident(0.7, 8, words), indices) for words in (0.0, 0.5))
    assert after["chrf"] > before["chrf"] + 0.01
    assert after["differentiable_lagging"] < before["differentiable_lagging"] + 0.1


def test_the_source_is_read_to_its_end_before_the_text_ends(env):
    for text in run_episodes(env, confident(0.0, 99), INDICES[:4]):
        assert text.ending in ("complete", "end_token")
        assert len(text.text.split()) > 1
