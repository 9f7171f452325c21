"""Search in place of learning: best of n samples by reward, the most typical one, beam search.

All choose among the candidates that the agent sees, as the baselines do. The rows of one batch
hold samples or beams of one example. Knows nothing of training.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from agents.evaluation.baselines import sampling
from agents.evaluation.metrics import TIE
from agents.evaluation.rollouts import run_episodes
from lm_envs.envs.vector_env import LanguageVectorEnv
from lm_envs.tasks.rewards.text_scores import chrf
from lm_envs.transcript import Transcript
from lm_envs.validation import check_count


def best_of_n(
    env: LanguageVectorEnv,
    indices: np.ndarray,
    n: int,
    temperature: float = 1.0,
    seed: int = 0,
) -> list[Transcript]:
    """Returns the sample of highest reward for each example, in the order of `indices`.

    Among equal rewards one is drawn at random: the first would be the one of the first rows.

    Args:
        env: In autoreset mode DISABLED, of any number of rows.
        indices: (E,) example indices.
        n: Number of samples per example.
        temperature: Divides the candidates' log-probabilities.
        seed: Of the sampling, and of the choice among equal rewards.
    """
    check_count("n", n)
    sampled = run_episodes(env, sampling(temperature, seed), np.repeat(indices, n))
    rng = np.random.default_rng([seed, 1])  # the sampling has the first one
    return [best_of(group, rng) for group in grouped(sampled, n)]


def grouped(texts: Sequence[Transcript], n: int) -> list[Sequence[Transcript]]:
    """Returns the texts of repeated examples in groups of `n`, one for each example."""
    return [texts[start : start + n] for start in range(0, len(texts), n)]


def best_of(group: Sequence[Transcript], rng: np.random.Generator) -> Transcript:
    """Returns a transcript of the highest reward, drawn among those within `TIE` of it."""
    rewards = np.array([transcript.scores["reward"] for transcript in group])
    return group[int(rng.choice(np.flatnonzero(rewards >= rewards.max() - TIE)))]


def most_typical(group: Sequence[Transcript]) -> Transcript:
    """Returns the transcript whose mean chrF against all texts of its group is the highest.

    Reads no reference and no reward: the expected score of each text, if the samples were the
    references. The first of equal ones.

    Source: minimum Bayes risk decoding, Kumar and Byrne 2004, https://aclanthology.org/N04-1022.
    """
    texts = [transcript.text for transcript in group]
    means = [np.mean([chrf(text, (other,)) for other in texts]) for text in texts]
    return group[int(np.argmax(means))]


Score = Callable[[LanguageVectorEnv], np.ndarray]
"""Returns what each row's candidates add to the total of a beam, (N, K) float64, nats; -inf for
candidates that must not be written."""


def candidate_logprobs(env: LanguageVectorEnv) -> np.ndarray:
    """Returns the model's log-probabilities of the candidates, (N, K) float64, nats."""
    return env.candidate_logprobs.astype(np.float64)


def beam_search(
    env: LanguageVectorEnv,
    index: int,
    width: int | None = None,
    score: Score = candidate_logprobs,
) -> Transcript:
    """Returns the finished completion of highest total that a beam finds, by log-probability.

    Each step keeps the `width` likeliest unfinished completions and sets finished ones aside. The
    search ends once no unfinished completion can exceed the best finished one, since further
    tokens only lower a total. Rows are permuted by restoring states, which copies the KV cache.

    Args:
        env: In autoreset mode DISABLED, of `width` rows or more.
        index: Index of the example.
        width: Number of beams; default all rows.
        score: Added to the total for each token, at most 0 nats.

    Raises:
        ValueError: If the environment has fewer rows than `width`.
    """
    width = _checked_width(env, width)
    env.reset(options={"index": index})
    # All rows start equal, so only the first may have children; the others would repeat them.
    totals = np.where(np.arange(env.num_envs) == 0, 0.0, -np.inf)
    best = _Best(-np.inf, None)
    while totals.max() > best.total:
        expanded = totals[:, None] + score(env)  # (N, K)
        children = np.argsort(-expanded, axis=None, kind="stable")[: env.num_envs]
        totals = expanded.ravel()[children]
        totals[width:] = -np.inf
        parents, ranks = np.divmod(children, expanded.shape[1])
        _copy_rows(env, np.where(np.isfinite(totals), parents, parents[0]))
        is_over = _step(env, ranks)
        best = _better(best, env, totals, is_over)
        totals[is_over] = -np.inf
    return best.transcript()


def _checked_width(env: LanguageVectorEnv, width: int | None) -> int:
    width = env.num_envs if width is None else width
    check_count("width", width)
    if width > env.num_envs:
        raise ValueError(
            f"Got width={width}; allowed: up to the rows of the environment, {env.num_envs}. Make "
            f"it with num_envs={width}."
        )
    return width


@dataclass(frozen=True, slots=True)
class _Best:
    """Total and transcript of the best finished completion."""

    total: float
    found: Transcript | None

    def transcript(self) -> Transcript:
        """Returns the transcript; there is one, because a token budget ends every episode."""
        assert self.found is not None
        return self.found


def _better(best: _Best, env: LanguageVectorEnv, totals: np.ndarray, is_over: np.ndarray) -> _Best:
    """Returns `best`, or the finished row of highest total (N,) if that is higher."""
    finished = np.where(is_over, totals, -np.inf)
    row = int(finished.argmax())
    if finished[row] <= best.total:
        return best
    return _Best(float(finished[row]), env.transcript(row))


def _step(env: LanguageVectorEnv, ranks: np.ndarray) -> np.ndarray:
    """Steps each row by its candidate of a rank (N,); returns which episodes are over (N,)."""
    _, _, terminated, truncated, _ = env.step(env.actions_for_ranks(ranks))
    return terminated | truncated


def _copy_rows(env: LanguageVectorEnv, parents: np.ndarray) -> None:
    """Sets the episode of each row i to that of row `parents[i]`."""
    if (parents != np.arange(len(parents))).any():
        env.set_state(_permuted(env.get_state(), parents))


def _permuted(state: Any, rows: np.ndarray) -> Any:  # noqa: ANN401 - a tree of values
    """Returns a state of `get_state` with its rows in another order."""
    if isinstance(state, dict):
        return {name: _permuted(values, rows) for name, values in state.items()}
    if isinstance(state, np.ndarray):
        return state[rows]
    return [state[row] for row in rows]
