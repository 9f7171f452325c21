"""A rule for simultaneous translation: write a token that guesses of the whole source agree on.

The language model guesses how the source goes on, and would then write some token next. The rule
writes the token that it has where a large share of the guesses has it too. It learns nothing.
Knows nothing of rewards.

Source: agreement of a prefix's translations, Liu et al. 2020, https://arxiv.org/abs/2005.11185,
here over guessed sources.
"""

from collections.abc import Callable

import numpy as np

from agents.baselines.rules.simultaneous.confidence import read_write_actions, write_when
from agents.baselines.rules.simultaneous.guess_readings import AGREEMENT, GuessReadings
from agents.evaluation.baselines import Policy
from lm_envs.envs.rows import Observations
from lm_envs.envs.vector_env import LanguageVectorEnv

NAME = "write what guesses agree on"

Agreement = Callable[[LanguageVectorEnv], np.ndarray]
"""Returns the share of guesses (N,) that agree in each row."""


def write_agreed(agreement: Agreement, least: float, lag: int, words_per_token: float) -> Policy:
    """Returns the policy that writes where enough of the guesses have the same token.

    Args:
        agreement: As `guessed_agreement` returns it.
        least: Smallest share of the guesses, in [0, 1].
        lag: As of `write_when`.
        words_per_token: As of `write_when`.
    """

    def is_sure(env: LanguageVectorEnv, observations: Observations) -> np.ndarray:
        return agreement(env) >= least

    return write_when(is_sure, lag, words_per_token)


def guessed_agreement() -> Agreement:
    """Returns a function that keeps its guesses, for many settings and splits of one model."""
    known: list[GuessReadings] = []

    def agreement(env: LanguageVectorEnv) -> np.ndarray:
        if not known or known[0].model is not env.engine.model:
            known[:] = [GuessReadings(read_write_actions(env))]
        return known[0].of(read_write_actions(env))[:, AGREEMENT]

    return agreement
