"""A token is written where the model would write it after guesses of the whole source, too."""

import numpy as np

from agents.baselines.rules.simultaneous.agreement import guessed_agreement, write_agreed
from agents.baselines.rules.simultaneous.confidence import confident
from agents.baselines.rules.simultaneous.stable_tokens import stay_probabilities
from agents.evaluation.rollouts import mean_scores, run_episodes
from lm_envs.envs.actions.read_write import READ


def test_guesses_tell_which_tokens_stay(env):
    agreement, act = guessed_agreement(), confident(0.7, 3, 0.0)
    seen: list[float] = []
    known: list[float] = []

    def visiting(env, observations):
        rows = np.flatnonzero(env.action_masks()[:, READ])
        if len(rows):
            seen.extend(agreement(env)[rows])
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
