"""The weighted rule of live subtitles."""

import numpy as np

from agents.baselines.rules.subtitles import FOUND, known, trials, weighted_words
from agents.evaluation.rollouts import mean_scores, run_episodes
from tests.envs.helpers import make

INDICES = np.arange(32)


def made(num_envs=16):
    return make(num_envs, env_id="lm_envs/LiveSubtitles-v0", split="validation")


def test_each_weight_has_the_effect_of_its_column():
    env = made(4)
    observations, _ = env.reset(seed=0)
    observations = env.step(np.array([1, 1, 0, 0]))[0]
    columns = known(env, observations)
    information = [env.task.spoken(each).information[1:3] * 32 for each in env.episodes.examples]
    np.testing.assert_allclose(columns[:, 0], [each[0] for each in information], rtol=1e-5)
    np.testing.assert_allclose(columns[:, 7], [each[1] for each in information], rtol=1e-5)
    np.testing.assert_allclose(columns[:, 1:4], env.actions.word_logprobs / 5.0, rtol=1e-5)
    np.testing.assert_allclose(columns[:, 4], [0.3, 0.3, 0.0, 0.0], rtol=1e-5)
    assert columns[:, 6].tolist() == [1, 1, 0, 0]
    for place in range(9):
        weights = np.zeros(9)
        weights[place] = 1.0
        actions = weighted_words(weights.tolist())(env, observations)
        np.testing.assert_array_equal(actions, columns[:, place] > 0)


def test_the_found_weights_earn_more_than_showing_all_or_what_readers_follow():
    env = made()
    found = mean_scores(run_episodes(env, weighted_words(list(FOUND)), INDICES))["reward"]
    for act in (env.oracle_actions, env.rule_policies()["while readers follow"]):
        other = run_episodes(env, lambda env, seen, act=act: act(), INDICES)
        assert found > mean_scores(other)["reward"] + 0.05


def test_trials_begin_with_the_found_weights_and_are_the_same_each_time():
    assert trials()[0] == list(FOUND)
    assert trials() == trials()
    assert len({tuple(each) for each in trials()}) == 64
