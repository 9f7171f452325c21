"""A rule for simultaneous translation: write a token that guesses of the whole source agree on.

The language model guesses how the source goes on, and would then write some token next. The rule
writes the token that it has where a large share of the guesses has it too. It learns nothing.
Knows nothing of rewards.

Source: agreement of a prefix's translations, Liu et al. 2020, https://arxiv.org/abs/2005.11185,
here over guessed sources.
"""

from collections.abc import Callable

import numpy as np

from agents.baselines.rules.simultaneous.confidence import (
    read_write_actions,
    tokens_to_write,
    write_when,
)
from agents.baselines.rules.simultaneous.source_guesses import Beginning, SourceGuesses
from agents.evaluation.baselines import Policy
from lm_envs.envs.rows import Observations
from lm_envs.envs.vector_env import LanguageVectorEnv
from lm_envs.tasks.translation import Translation

NAME = "write what guesses agree on"

Agreement = Callable[[LanguageVectorEnv, np.ndarray], np.ndarray]
"""Returns the share of guesses (R,) that agree, for some rows (R,)."""


def write_agreed(agreement: Agreement, least: float, lag: int, words_per_token: float) -> Policy:
    """Returns the policy that writes where enough of the guesses have the same token.

    Args:
        agreement: As `guessed_agreement` returns it.
        least: Smallest share of the guesses, in [0, 1].
        lag: As of `write_when`.
        words_per_token: As of `write_when`.
    """

    def is_sure(env: LanguageVectorEnv, observations: Observations) -> np.ndarray:
        actions = read_write_actions(env)
        rows = np.flatnonzero(actions.num_read < actions.num_source)
        shares = np.ones(env.num_envs)
        if len(rows):
            shares[rows] = agreement(env, rows)
        return shares >= least

    return write_when(is_sure, lag, words_per_token)


def guessed_agreement() -> Agreement:
    """Returns a function that keeps its guesses, for many settings and splits of one model."""
    known: list[SourceGuesses] = []

    def agreement(env: LanguageVectorEnv, rows: np.ndarray) -> np.ndarray:
        if not known or known[0].model is not env.engine.model:
            known[:] = [SourceGuesses(env)]
        return agreeing_share(known[0], env, rows)

    return agreement


def agreeing_share(guesses: SourceGuesses, env: LanguageVectorEnv, rows: np.ndarray) -> np.ndarray:
    """Returns the share of guesses (R,) after which the model would write the same token.

    Args:
        guesses: Of the environment's model.
        env: Rows of a simultaneous translation.
        rows: (R,) rows in which source words are left.
    """
    episodes, written = env.episodes, tokens_to_write(env, rows)
    contexts: list[np.ndarray] = []
    owners: list[int] = []
    weights: list[float] = []
    for place, found in enumerate(guesses.of(_beginnings(env, rows))):
        row = int(rows[place])
        after = episodes.tokens[row, : episodes.counts[row]]
        for text, share in found:
            prompt = _translation(env).prompt_of(episodes.examples[row], text)
            if len(prompt) + len(after) <= env.engine.capacity:
                contexts.append(np.append(prompt, after))
                owners.append(place)
                weights.append(share)
    if not contexts:
        return np.zeros(len(rows))
    owner, weight = np.array(owners), np.array(weights)
    is_same = guesses.best_tokens(contexts) == written[owner]
    agreed = np.bincount(owner, weight * is_same, len(rows))
    return agreed / np.maximum(np.bincount(owner, weight, len(rows)), np.finfo(float).tiny)


def _beginnings(env: LanguageVectorEnv, rows: np.ndarray) -> list[Beginning]:
    """Returns what was read of the source in some rows (R,)."""
    actions, task = read_write_actions(env), _translation(env)
    num_read, num_source = actions.num_read, actions.num_source
    found = []
    for row in rows.tolist():
        tokens, words = task.unfinished_source(env.episodes.examples[row], int(num_read[row]))
        found.append(Beginning(tokens, words, int(num_source[row])))
    return found


def _translation(env: LanguageVectorEnv) -> Translation:
    assert isinstance(env.task, Translation)
    return env.task
