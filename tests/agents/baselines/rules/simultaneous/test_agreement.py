"""A token is written where the model would write it after guesses of the whole source, too."""

import gymnasium as gym
import numpy as np
import pytest

import lm_envs
from agents.baselines.rules.simultaneous.agreement import (
    agreeing_share,
    guessed_agreement,
    write_agreed,
)
from agents.baselines.rules.simultaneous.confidence import confident
from agents.baselines.rules.simultaneous.source_guesses import SourceGuesses
from agents.baselines.rules.simultaneous.stable_tokens import stay_probabilities
from agents.evaluation.rollouts import mean_scores, run_episodes
from lm_envs.envs.actions.read_write import READ

gym.register_envs(lm_envs)


@pytest.fixture(scope="module")
def env():
    options = {"mode": "simultaneous", "split": "validation", "autoreset_mode": "disabled"}
    return gym.make_vec("lm_envs/Translation-v0", num_envs=16, **options).unwrapped


class KnownSources(SourceGuesses):
    """Returns the true source in place of guesses."""

    def __init__(self, env, sources):
        super().__init__(env)
        self.sources = sources

    def of(self, beginnings):
        fitting = [[s for s in self.sources if s.startswith(each.words)] for each in beginnings]
        return [[(texts[0], 1.0)] for texts in fitting]


def test_after_the_true_source_a_token_agrees_if_it_is_the_one_that_stays(env):
    env.reset(options={"index": np.arange(0, 624, 39)})
    rows = np.flatnonzero(env.action_masks()[:, READ])
    sources = [env.task.source_prefix(env.episodes.examples[row], 99) for row in rows]
    texts = [env.tokenizer.decode(each) for each in sources]
    whole = [text.partition(": ")[2].partition("\n")[0] for text in texts]
    shares = [
        agreeing_share(KnownSources(env, [text]), env, rows[place : place + 1])[0]
        for place, text in enumerate(whole)
    ]
    stays = stay_probabilities(env, rows)
    assert set(shares) == {0.0, 1.0}
    assert min(stays[np.array(shares) == 1.0]) > 0.1
    assert max(stays[np.array(shares) == 0.0]) < 0.5


def test_guesses_tell_which_tokens_stay(env):
    agreement, act = guessed_agreement(), confident(0.7, 3, 0.0)
    seen: list[float] = []
    known: list[float] = []

    def visiting(env, observations):
        rows = np.flatnonzero(env.action_masks()[:, READ])
        if len(rows):
            seen.extend(agreement(env, rows))
            known.extend(stay_probabilities(env, rows))
        return act(env, observations)

    run_episodes(env, visiting, np.arange(0, 600, 15))
    shares, stays = np.array(seen), np.array(known) > 0.5
    assert min(stays.sum(), (~stays).sum()) > 20
    pairs = shares[stays][:, None] - shares[~stays]
    assert (pairs > 0).mean() + 0.5 * (pairs == 0).mean() > 0.75  # the area under the ROC curve


def test_a_smaller_share_suffices_for_a_shorter_lag(env):
    agreement, indices = guessed_agreement(), np.arange(0, 600, 15)
    lags = [
        mean_scores(run_episodes(env, write_agreed(agreement, least, 8, 0.0), indices))["lagging"]
        for least in (0.0, 0.5, 1.01)
    ]
    assert lags[0] < lags[1] < lags[2]
