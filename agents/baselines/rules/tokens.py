"""Decoding rules for token actions: greedy decoding without repeated n-grams, or with copying.

Each returns the most likely candidate after a correction; `drafting` draws one. Knows nothing of
rewards.
"""

from collections.abc import Sequence

import numpy as np

from agents.evaluation.baselines import Policy, sampling_from
from agents.evaluation.search import candidate_logprobs
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
        is_repeated = repeated_candidates(env, size, scope)
        return env.actions_for_ranks(
            np.where(is_repeated, -np.inf, env.candidate_logprobs).argmax(1)
        )

    return act


def repeated_candidates(env: LanguageVectorEnv, size: int, scope: str = COMPLETION) -> np.ndarray:
    """Returns which candidates would repeat an n-gram of `size` tokens, (N, K) bool.

    The end-of-text token is no repetition. Where every candidate repeats one, none is marked.

    Args:
        env: The rows.
        size: n, 1 or more.
        scope: `COMPLETION` or `WHOLE_TEXT`.
    """
    logprobs, candidates, episodes = env.candidate_logprobs, env.outputs.candidates, env.episodes
    repeated = np.zeros(candidates.shape, bool)
    for row, count in enumerate(episodes.counts.tolist()):
        text = episodes.tokens[row, :count].tolist()
        if scope == WHOLE_TEXT:
            text = episodes.prompt_tokens[row].tolist() + text
        is_repeated = np.isin(candidates[row], _repeating(text, size))
        is_repeated &= candidates[row] != env.engine.end_token
        if not (is_repeated | ~np.isfinite(logprobs[row])).all():
            repeated[row] = is_repeated
    return repeated


def echo_bonus(bonus: float) -> Policy:
    """Returns greedy decoding where tokens of the prompt are `bonus` nats likelier."""

    def act(env: LanguageVectorEnv, observations: Observations) -> np.ndarray:
        echoes = is_in_prompt(env.outputs.candidates, env.episodes)
        return env.actions_for_ranks((env.candidate_logprobs + bonus * echoes).argmax(1))

    return act


def pointer_belief(weight: float, bonus: float = 0.0, delay: float = 0.0) -> Policy:
    """Returns greedy decoding of (1 - weight) times the model plus weight times the pointer.

    Args:
        weight: Of the pointer, in [0, 1].
        bonus: Nats that are added to the logarithm of the mixture for tokens of the prompt.
        delay: Nats that are taken from candidates that end the text, so that it gets longer.

    Source: a continuous cache, Grave et al. 2016, https://arxiv.org/abs/1612.04426.
    """
    known_ends: dict[int, bool] = {}  # decoding at each step took longer than all else here

    def act(env: LanguageVectorEnv, observations: Observations) -> np.ndarray:
        scores = mixture_logprobs(env, weight)
        scores += bonus * is_in_prompt(env.outputs.candidates, env.episodes)
        if delay:
            scores -= delay * line_ends(env, known_ends)
        return env.actions_for_ranks(scores.argmax(1))

    return act


def line_ends(env: LanguageVectorEnv, known: dict[int, bool]) -> np.ndarray:
    """Returns which candidates end the line, (N, K) bool.

    Args:
        env: The rows.
        known: Whether a token ends the line, by id; ids of candidates that it lacks are added.
    """
    candidates = env.outputs.candidates
    ids = candidates.ravel().tolist()
    for token in set(ids) - known.keys():
        text = env.tokenizer.decode(np.array([token]))
        known[token] = token == env.engine.end_token or env.task.is_turn_over(text)
    return np.array([known[token] for token in ids]).reshape(candidates.shape)


def has_pointer(env: LanguageVectorEnv) -> bool:
    """Returns whether the actions copy tokens of the prompt, which a pointer finds."""
    return isinstance(env.actions, TopKActions) and env.actions.copied is not None


def mixture_logprobs(env: LanguageVectorEnv, weight: float) -> np.ndarray:
    """Returns log-probabilities (N, K) float64 of (1 - weight) model + weight pointer, nats.

    Args:
        env: Its actions copy tokens of the prompt.
        weight: Of the pointer, in [0, 1].
    """
    assert isinstance(env.actions, TopKActions)
    assert env.actions.copied is not None
    model = np.exp(env.candidate_logprobs.astype(np.float64))
    mixed = (1.0 - weight) * model + weight * env.actions.copied.shares
    return np.log(np.maximum(mixed, LEAST))


def drafting(setting: Sequence[float], seed: int) -> Policy:
    """Returns the policy that draws texts of the model, or of its mixture with the pointer.

    Args:
        setting: Temperature, share of the pointer, and by how many nats ends are less likely.
        seed: Of the draws.
    """
    temperature, share, delay = setting
    known_ends: dict[int, bool] = {}

    def logits(rows: LanguageVectorEnv) -> np.ndarray:
        scores = followed_logprobs(rows, share)
        if delay:
            scores = scores - delay * line_ends(rows, known_ends)
        return scores / temperature

    return sampling_from(logits, seed)


def followed_logprobs(env: LanguageVectorEnv, share: float) -> np.ndarray:
    """Returns log-probabilities (N, K) of the model, or of its mixture with the pointer, nats."""
    return mixture_logprobs(env, share) if share else candidate_logprobs(env)


def _repeating(text: Sequence[int], size: int) -> list[int]:
    """Returns the tokens that would complete an n-gram that the text has already."""
    if len(text) < size:
        return []
    last = text[len(text) - size + 1 :]
    starts = range(len(text) - size + 1)
    return [text[s + size - 1] for s in starts if text[s : s + size - 1] == last]
