import gymnasium as gym
import numpy as np
import pytest

import lm_envs
from agents.baselines.learned_examples import LearnedExamples
from agents.baselines.rules.simultaneous.stable_tokens import (
    learned_network,
    stay_probabilities,
    visited_states,
    write_stable,
)
from agents.evaluation.rollouts import mean_scores, run_episodes
from lm_envs.envs.actions.read_write import READ

gym.register_envs(lm_envs)
KNOWN, OTHERS = np.arange(0, 120), np.arange(160, 200)
VISITED = [(0.3, 2, 0.0), (0.8, 3, 0.5)]


@pytest.fixture(scope="module")
def env():
    options = {"mode": "simultaneous", "split": "validation", "autoreset_mode": "disabled"}
    return gym.make_vec("lm_envs/Translation-v0", num_envs=16, **options).unwrapped


@pytest.fixture(scope="module")
def states(env):
    return visited_states(LearnedExamples(env, KNOWN), VISITED)


def lagging(env, policy):
    return mean_scores(run_episodes(env, policy, OTHERS))["lagging"]


def share_of_pairs_in_order(values, is_positive):
    """Returns the area under the ROC curve."""
    return (values[is_positive][:, None] > values[~is_positive]).mean()


def test_a_token_stays_as_likely_as_the_model_writes_it_after_the_whole_source(env):
    env.reset(options={"index": np.arange(160, 176)})
    rows = np.flatnonzero(env.action_masks()[:, READ])
    written = env.actions.to_tokens(np.zeros(16), env.outputs, rows)
    stays = stay_probabilities(env, rows)
    while env.action_masks()[:, READ].any():
        env.step(np.full(16, READ))
    found = env.outputs.candidates[rows] == written[rows, None]
    shown = found.any(1)
    expected = np.exp(env.outputs.logprobs[rows][found])
    assert shown.sum() > 4
    assert stays[shown] == pytest.approx(expected, rel=1e-3)
    third = np.sort(np.exp(env.outputs.logprobs[rows]))[:, 1]  # the last one may be the end token
    assert (stays[~shown] <= third[~shown] * 1.001).all()


def test_the_network_tells_better_than_confidence_which_tokens_of_other_examples_stay(env, states):
    others = visited_states(LearnedExamples(env, OTHERS), VISITED)
    network = learned_network(states, 6, 0)
    first = env.single_observation_space.columns["candidate_logprobs"].start
    is_staying = others.stays > 0.5
    by_network, by_confidence = (
        share_of_pairs_in_order(values, is_staying)
        for values in (network.probabilities(others.observations), others.observations[:, first])
    )
    assert by_network > by_confidence + 0.015


def test_a_higher_bound_waits_longer(env, states):
    network = learned_network(states, 3, 0)
    lags = [lagging(env, write_stable(network, least, 99, 0.0)) for least in (0.1, 0.5, 0.95)]
    assert lags[0] < lags[1] < lags[2]


def test_the_seed_decides_the_network(states):
    seen = states.observations[:50]
    one, same, other = (learned_network(states, 1, seed).probabilities(seen) for seed in (0, 0, 1))
    assert (one == same).all()
    assert (one != other).any()
