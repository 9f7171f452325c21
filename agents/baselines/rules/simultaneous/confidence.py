"""Rules for simultaneous translation: write while the model is confident, and read otherwise.

Owns when a rule that is sure of a token reads nevertheless. Knows nothing of rewards.
"""

from collections.abc import Callable

import numpy as np

from agents.baselines.rules.tokens import LEAST
from agents.evaluation.baselines import Policy
from lm_envs.envs.actions.read_write import READ, WRITE, ReadWriteActions
from lm_envs.envs.rows import Observations
from lm_envs.envs.vector_env import LanguageVectorEnv

NAME = "write when confident"

IsSure = Callable[[LanguageVectorEnv, Observations], np.ndarray]
"""Returns whether the likeliest token of each row can be written, (N,) bool."""


def confident(least: float, lag: int, words_per_token: float = 0.0) -> Policy:
    """Returns the policy that writes where the model is confident, or has read `lag` words ahead.

    Args:
        least: Lowest probability of the likeliest token that is written, in [0, 1].
        lag: As of `write_when`.
        words_per_token: As of `write_when`.

    Source: waiting by confidence, Cho and Esipova 2016, https://arxiv.org/abs/1606.02012.
    """
    bound = np.log(max(least, LEAST))
    return write_when(
        lambda env, observations: env.outputs.logprobs[:, 0] >= bound, lag, words_per_token
    )


def write_when(is_sure: IsSure, lag: int, words_per_token: float) -> Policy:
    """Returns the policy that writes where it is sure, or has read `lag` words ahead.

    It reads if the likeliest token ends the text although source words are left, and wherever a
    word can be read without a larger differentiable lagging.

    Args:
        is_sure: Whether the likeliest token of each row can be written.
        lag: Source words read beyond the target words written from which on it always writes.
        words_per_token: Source words that each target token is worth, by which the words that can
            be read without a larger lagging are counted; 0 for none.
    """

    def act(env: LanguageVectorEnv, observations: Observations) -> np.ndarray:
        actions = read_write_actions(env)
        is_end = np.isin(env.outputs.candidates[:, 0], actions.line_ends)
        num_read = actions.num_read
        is_ahead = num_read >= lag + actions.num_written
        is_free = actions.free_reads(words_per_token) >= 1
        is_due = ((is_sure(env, observations) & ~is_end) | is_ahead) & ~is_free
        return np.where(is_due | (num_read >= actions.num_source), WRITE, READ)

    return act


def read_write_actions(env: LanguageVectorEnv) -> ReadWriteActions:
    """Returns the actions of an environment, which read and write."""
    assert isinstance(env.actions, ReadWriteActions)
    return env.actions


def tokens_to_write(actions: ReadWriteActions, rows: np.ndarray) -> np.ndarray:
    """Returns the token that each of some rows (R,) would write now, (R,) int64."""
    unused = np.zeros(len(actions.episodes.counts))
    return actions.to_tokens(unused, actions.outputs, rows)[rows]
