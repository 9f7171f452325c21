"""Searches as baselines: beams, the most typical of n samples, best of n, evolution.

Owns which sizes are tried. The algorithms live in `agents.evaluation.search`.
"""

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np

from agents.baselines.constant_settings import evolved, forward_selection
from agents.baselines.drafts import ranking
from agents.baselines.drafts.drawing import NUM_SAMPLES, Drafts
from agents.baselines.drafts.memory import Offers, drafts_and_memory, shows_known_answers
from agents.baselines.families import Environments, Family, Search, Setting, grid, has_scikit_learn
from agents.baselines.learned_examples import learned_examples
from agents.baselines.rules.frequent import learned_score, pays_overlap
from agents.baselines.rules.tokens import (
    followed_logprobs,
    has_pointer,
    repeated_candidates,
)
from agents.baselines.rules.tuning.eviction import evicts
from agents.evaluation.baselines import sampling
from agents.evaluation.rollouts import run_episodes
from agents.evaluation.search import beam_search, best_of_n, most_typical
from lm_envs.envs.tuning.base import TuningVectorEnv
from lm_envs.envs.vector_env import LanguageVectorEnv
from lm_envs.transcript import Transcript

BEAM, MINIMUM_RISK, BEST = "beam search", "minimum Bayes risk of 16", "best of 16"
FREQUENT_BEAM = "beam search of frequent tokens"
WIDTHS = (4, 8)
NGRAMS = (0, 2)
"""Sizes of n-grams that a beam does not repeat; 0 allows repetition."""

BEAM_SHARES = (0.2, 0.4)
SAMPLE_SHARES = (0.2, 0.4, 0.6)
"""Shares of the pointer in what a beam or a sample follows, where the prompt can be copied."""

TEMPERATURES = (0.5, 0.7, 1.0)
LATER, DELAYS = (0.7, 0.4), (1.0, 2.0)
"""Temperature and share where ends of the text are also tried with so many nats less."""

SIZES = (1, 2, 4, 8, 16, 32, 64)
"""Values of n on the curve."""


def searches(environments: Environments, split: str) -> list[Family]:
    """Returns the baselines that take longer.

    Beam search, choices among 16 drafts and best of 16 where text is written; where the model is
    adjusted, constant settings by an evolution strategy, and for discrete actions one plan.

    Args:
        environments: Makes the rows.
        split: A split whose rows are needed anyway.
    """
    env = environments.get(split)
    if isinstance(env, TuningVectorEnv):
        if evicts(env):  # no action ends an episode, and every text needs other evictions
            return []
        is_discrete = isinstance(env.single_action_space, gym.spaces.Discrete)
        return [evolved(env), *([forward_selection(env)] if is_discrete else [])]
    if not (isinstance(env, LanguageVectorEnv) and env.actions.has_model_probabilities):
        return []
    copies = has_pointer(env)
    beam_shares, sample_shares = (BEAM_SHARES, SAMPLE_SHARES) if copies else ((0.0,), (0.0,))
    beams = [[width, size, share] for width in WIDTHS for size in NGRAMS for share in beam_shares]
    samples = [[temperature, share, 0.0] for temperature in TEMPERATURES for share in sample_shares]
    later = [[*LATER, delay] for delay in DELAYS] if copies else []
    frequent = [[width, exponent, 2.0] for width in WIDTHS for exponent in (0.35, 0.5, 0.7)]
    return [
        Family(BEAM, grid(*beams), _run_beams),
        *([Family(FREQUENT_BEAM, grid(*frequent), _run_frequent)] if pays_overlap(env) else []),
        *_drafted(grid(*samples, *later), remembers=copies and shows_known_answers(env)),
        Family(BEST, grid(*TEMPERATURES), _run_best, is_drawn=True, uses_reward=True),
    ]


def _drafted(settings: Search, *, remembers: bool) -> list[Family]:
    """Returns the choices among drafts; also with a memory's text where there is a memory."""
    drafts = Drafts()

    def run(
        environments: Environments, split: str, indices: np.ndarray, setting: Setting, seed: int
    ) -> list[Transcript]:
        drawn = drafts.draw(environments, split, indices, setting, seed)
        return [most_typical(group) for group in drawn]

    found = [Family(MINIMUM_RISK, settings, run, is_drawn=True)]
    if not remembers:
        return found
    offers = Offers(drafts)
    found.append(drafts_and_memory(offers))
    return [*found, ranking.ranked_drafts(offers)] if has_scikit_learn(ranking.NAME) else found


def best_of_curve(
    environments: Environments, split: str, indices: np.ndarray, temperature: float
) -> list[dict[str, Any]]:
    """Returns the mean reward of the best of n samples for each n of `SIZES`, and its cost.

    64 samples are drawn for each prompt; the reward of the best of n is its expectation over all
    choices of n of them, which varies less than that of n samples would.

    Args:
        environments: Makes the rows.
        split: The evaluated split.
        indices: (E,) its examples.
        temperature: Of the samples.

    Returns:
        For each n: `n`, `reward`, and `tokens`, the mean number written for a prompt.
    """
    env = _language(environments, split)
    most = SIZES[-1]
    drawn = run_episodes(env, sampling(temperature, 0), np.repeat(indices, most))
    rewards = np.array([t.scores["reward"] for t in drawn]).reshape(-1, most)
    tokens = float(np.mean([len(t.tokens) for t in drawn]))
    means = expected_best(rewards, SIZES).mean(0)
    return [
        {"n": n, "reward": float(mean), "tokens": n * tokens}
        for n, mean in zip(SIZES, means, strict=True)
    ]


def expected_best(rewards: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
    """Computes the expected highest of n rewards drawn without replacement from N.

    The i-th smallest of N rewards is the highest in C(i - 1, n - 1) of the C(N, n) choices.

    Args:
        rewards: (P, N) of N samples for each prompt.
        sizes: Values of n, from 1 to N.

    Returns:
        (P, len(sizes)) float64.

    Source: Chen et al. 2021, https://arxiv.org/abs/2107.03374, whose pass@k is the same estimate
    for rewards of 0 and 1.
    """
    ordered, total = np.sort(rewards, axis=1), rewards.shape[1]
    below = np.arange(total)  # rewards that are lower, or come before in the order
    columns = []
    for size in sizes:
        is_possible = below >= size - 1
        logs = _log_choose(np.maximum(below, size - 1), size - 1) - _log_choose(total, size)
        columns.append(ordered @ np.where(is_possible, np.exp(logs), 0.0))
    return np.stack(columns, axis=1)


def _log_choose(total: np.ndarray | int, size: int) -> np.ndarray:
    from scipy.special import gammaln  # here: every command loads this module

    return gammaln(total + 1.0) - gammaln(size + 1.0) - gammaln(total - size + 1.0)


def _language(environments: Environments, split: str, least_rows: int = 1) -> LanguageVectorEnv:
    env = environments.get(split, least_rows=least_rows)
    assert isinstance(env, LanguageVectorEnv)
    return env


def _run_beams(
    environments: Environments, split: str, indices: np.ndarray, setting: Setting, seed: int
) -> list[Transcript]:
    width, size, share = setting
    env = _language(environments, split, least_rows=width)

    def score(rows: LanguageVectorEnv) -> np.ndarray:
        logprobs = followed_logprobs(rows, share)
        return np.where(repeated_candidates(rows, size), -np.inf, logprobs) if size else logprobs

    return beam_search(env, indices, width, score)


def _run_frequent(
    environments: Environments, split: str, indices: np.ndarray, setting: Setting, seed: int
) -> list[Transcript]:
    width, exponent, penalty = setting
    score = learned_score(learned_examples(environments, split, indices), exponent, penalty)
    env = _language(environments, split, least_rows=width)
    return beam_search(env, indices, width, score)


def _run_best(
    environments: Environments, split: str, indices: np.ndarray, temperature: Setting, seed: int
) -> list[Transcript]:
    env = _language(environments, split)
    return best_of_n(env, indices, NUM_SAMPLES, temperature, seed)
