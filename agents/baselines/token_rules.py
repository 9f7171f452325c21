"""Decoding rules for token actions: greedy decoding without repeated n-grams, or with copying.

Each returns the most likely candidate after a correction. Knows nothing of rewards.
"""

from collections.abc import Sequence

import numpy as np

from agents.evaluation.baselines import Policy
from lm_envs.envs.actions.top_k import TopKActions
from lm_envs.envs.observations.features import is_in_prompt
from lm_envs.envs.rows import Observations
from lm_envs.envs.vector_env import LanguageVectorEnv

COMPLETION, WHOLE_TEXT = "completion", "whole text"
"""Where an n-gram counts as repeated: in the completion only, or in the prompt too."""

LEAST = 1e-12
"""Lower bound of a probability, for its logarithm."""


def no_repeat(size: int, scope: str = COMPLETION) -> Policy:
    """Returns greedy decoding that repeats no n-gram of `size` tokens.

    The end-of-text token is no repetition. If every candidate repeats an n-gram, the most likely
    one is written.

    Args:
        size: n, 1 or more.
        scope: `COMPLETION` or `WHOLE_TEXT`.

    Source: Paulus et al. 2017, https://arxiv.org/abs/1705.04304.
    """

    def act(env: LanguageVectorEnv, observations: Observations) -> np.ndarray:
        logprobs, candidates = env.candidate_logprobs.copy(), env.outputs.candidates
        episodes = env.episodes
        for row, count in enumerate(episodes.counts.tolist()):
            text = episodes.tokens[row, :count].tolist()
            if scope == WHOLE_TEXT:
                text = episodes.prompt_tokens[row].tolist() + text
            is_repeated = np.isin(candidates[row], _repeating(text, size))
            is_repeated &= candidates[row] != env.engine.end_token
            if not (is_repeated | ~np.isfinite(logprobs[row])).all():
                logprobs[row, is_repeated] = -np.inf
        return env.actions_for_ranks(logprobs.argmax(1))

    return act


def echo_bonus(bonus: float) -> Policy:
    """Returns greedy decoding where tokens of the prompt are `bonus` nats likelier."""

    def act(env: LanguageVectorEnv, observations: Observations) -> np.ndarray:
        echoes = is_in_prompt(env.outputs.candidates, env.episodes)
        return env.actions_for_ranks((env.candidate_logprobs + bonus * echoes).argmax(1))

    return act


def pointer_belief(weight: float, bonus: float = 0.0) -> Policy:
    """Returns greedy decoding of (1 - weight) times the model plus weight times the pointer.

    Args:
        weight: Of the pointer, in [0, 1].
        bonus: Nats that are added to the logarithm of the mixture for tokens of the prompt.

    Source: a continuous cache, Grave et al. 2016, https://arxiv.org/abs/1612.04426.
    """

    def act(env: LanguageVectorEnv, observations: Observations) -> np.ndarray:
        assert isinstance(env.actions, TopKActions)
        assert env.actions.copied is not None
        model = np.exp(env.candidate_logprobs.astype(np.float64))
        mixed = (1.0 - weight) * model + weight * env.actions.copied.shares
        scores = np.log(np.maximum(mixed, LEAST))
        scores += bonus * is_in_prompt(env.outputs.candidates, env.episodes)
        return env.actions_for_ranks(scores.argmax(1))

    return act


def _repeating(text: Sequence[int], size: int) -> list[int]:
    """Returns the tokens that would complete an n-gram that the text has already."""
    if len(text) < size:
        return []
    last = text[len(text) - size + 1 :]
    starts = range(len(text) - size + 1)
    return [text[s + size - 1] for s in starts if text[s : s + size - 1] == last]
