"""A rule for live subtitles: show a word if a weighted sum of what is known of it is positive.

Owns what is weighted and which weights are tried. Knows nothing of rewards.
"""

from collections.abc import Sequence

import numpy as np

from agents.baselines.evolution import drawn_around
from agents.evaluation.baselines import Policy
from lm_envs.envs.actions.show_words import LEAVE_OUT, SHOW
from lm_envs.envs.observations.base import ColumnBox
from lm_envs.envs.observations.upcoming_words import NUM_LOGPROBS
from lm_envs.envs.rows import Observations
from lm_envs.envs.vector_env import LanguageVectorEnv

NAME = "weighted words"

TOKENS = 2.0
"""Subtracted from numbers of tokens, so that all that is weighted is about as large."""

FOUND = (0.818, 0.32, 0.325, -0.287, -0.437, 0.055, 0.115, -0.009, -0.134)
"""Weights of the information of the present word; its log-probability, and that of the next word,
if the present one is shown and if it is left out; of the words that wait, the present word's number
of tokens, whether the last word was shown, the information of the next word, and of 1: the best of
200 trials of an evolution strategy on 256 examples of the split "train"."""

NUM_DRAWN = 63
"""Trials that are drawn around `FOUND`."""


def trials() -> list[list[float]]:
    """Returns the weights that are tried: `FOUND`, and some that are drawn around it."""
    return [list(FOUND), *drawn_around(FOUND, NUM_DRAWN)]


def weighted_words(weights: Sequence[float]) -> Policy:
    """Returns the policy that shows a word if the weighted sum is positive.

    Args:
        weights: Nine numbers; see `FOUND`.
    """

    def act(env: LanguageVectorEnv, observations: Observations) -> np.ndarray:
        return np.where(known(env, observations) @ weights > 0.0, SHOW, LEAVE_OUT)

    return act


def known(env: LanguageVectorEnv, observations: Observations) -> np.ndarray:
    """Returns what is weighted (N, 9), read from the observations; see `FOUND`."""
    space = env.single_observation_space
    assert isinstance(space, ColumnBox)
    assert isinstance(observations, np.ndarray)

    def column(name: str, place: int = 0) -> np.ndarray:
        return observations[:, space.columns[name]][:, place].astype(np.float64)

    columns = [
        column("word_information"),
        *(column("word_logprobs", place) for place in range(NUM_LOGPROBS)),
        column("waiting"),
        column("word_tokens") - TOKENS,
        column("recently_shown"),
        column("word_information", 1),
        np.ones(len(observations)),
    ]
    return np.stack(columns, axis=1)
