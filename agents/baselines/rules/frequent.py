"""Decoding that prefers tokens which the references of training examples often contain.

A reference shares more tokens with such a text, whatever its subject. Knows nothing of rewards.
"""

from collections.abc import Sequence

import numpy as np

from agents.baselines.learned_examples import LearnedExamples
from agents.baselines.rules.tokens import repeated_candidates
from agents.evaluation.baselines import Policy
from agents.evaluation.search import Score
from lm_envs.envs.rows import Observations
from lm_envs.envs.vector_env import LanguageVectorEnv

OVERLAPS = ("overlap", "rouge_1")
"""Scores that count shared tokens or words of running text, whatever their order."""

NGRAM = 2
"""Size of the n-grams that are never repeated."""


def pays_overlap(env: LanguageVectorEnv) -> bool:
    """Returns whether the reward of an environment counts tokens shared with a reference."""
    return not set(OVERLAPS).isdisjoint(env.task.reward.weighted)


def token_shares(references: Sequence[np.ndarray], vocab_size: int) -> np.ndarray:
    """Returns the share of references that contain each token, (V,) float64, never 0.

    Args:
        references: Token ids (R,) of each.
        vocab_size: V.
    """
    counts = np.full(vocab_size, 0.5)  # as if each token were in half a reference more
    for reference in references:
        counts[np.unique(reference)] += 1.0
    return counts / (len(references) + 1.0)


def frequency_score(shares: np.ndarray, exponent: float, penalty: float) -> Score:
    """Returns the score log p + exponent log share - penalty (times written before).

    Candidates that repeat a pair of tokens have -inf.

    Args:
        shares: (V,) of each token; see `token_shares`.
        exponent: Of the share.
        penalty: Nats for each time that the token was written before.
    """
    bonus = exponent * np.log(shares)

    def score(env: LanguageVectorEnv) -> np.ndarray:
        candidates, episodes = env.outputs.candidates, env.episodes
        is_written = np.arange(episodes.tokens.shape[1]) < episodes.counts[:, None]
        written = np.where(is_written, episodes.tokens, -1)  # (N, T)
        times = (candidates[:, :, None] == written[:, None]).sum(2)
        scores = env.candidate_logprobs + bonus[candidates] - penalty * times
        return np.where(repeated_candidates(env, NGRAM), -np.inf, scores)

    return score


def learned_score(examples: LearnedExamples, exponent: float, penalty: float) -> Score:
    """Returns the `frequency_score` of the references of examples."""
    references = [example.reference for example in examples.examples]
    shares = token_shares(references, len(examples.language_env.tokenizer))
    return frequency_score(shares, exponent, penalty)


def frequent_tokens(
    examples: LearnedExamples, setting: tuple[float, float], seed: int = 0
) -> Policy:
    """Returns the policy that writes the candidate of the highest `frequency_score`.

    Args:
        examples: Whose references are counted.
        setting: Exponent of the share, and penalty of a repeated token in nats.
        seed: Not used: nothing is drawn.
    """
    score = learned_score(examples, *setting)

    def act(env: LanguageVectorEnv, observations: Observations) -> np.ndarray:
        return env.actions_for_ranks(score(env).argmax(1))

    return act
