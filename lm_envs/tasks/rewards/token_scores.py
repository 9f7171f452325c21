"""Scores of completions: pure functions of ids and log-probabilities, N rows at once.

Each row's score depends on that row alone, bit for bit; the score of an empty draft is 0, so that
a potential built from scores starts at 0. A reward is a score that is paid (`reward.py`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

WORST_LOGPROB = -8.0
"""Fluency counts no word as worse than this; nats."""


@dataclass(frozen=True, slots=True)
class Completions:
    """N continuations side by side, as far as they are written.

    Attributes:
        tokens: (N, T) int64; anything at or past a row's length is ignored.
        lengths: (N,) int64, 0 to T.
        logprobs: (N, T) float64 of each token under the frozen model, nats.
        references: (N, R) int64 ids hoped for; past a row's reference length ignored.
        reference_lengths: (N,) int64, 0 where there is no reference.
        budget: Most tokens a draft can have.
        texts: N texts written so far, as they are.
        targets: For each row the texts hoped for.
        task_scores: The task's own scores, (N,) float64 each.
    """

    tokens: np.ndarray
    lengths: np.ndarray
    logprobs: np.ndarray
    references: np.ndarray
    reference_lengths: np.ndarray
    budget: int
    texts: Sequence[str] = ()
    targets: Sequence[Sequence[str]] = ()
    task_scores: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def is_written(self) -> np.ndarray:
        """(N, T) bool: which entries hold a token."""
        return np.arange(self.tokens.shape[1]) < self.lengths[:, None]


def fluency(completions: Completions) -> np.ndarray:
    """How expected the words are, (N,) in [0, 1]: 1 + mean log-probability / 8 nats.

    Words below -8 nats count as -8, so that one odd word is not worth ruining a text for. On its
    own it prefers repetition to any good sentence: pair it with `repetition`.
    """
    clipped = completions.logprobs.clip(WORST_LOGPROB, 0.0) / WORST_LOGPROB  # 0 certain, 1 worst
    return 1.0 - _mean(clipped, completions.is_written, completions.lengths, empty=1.0)


def repetition(completions: Completions, n: int = 2) -> np.ndarray:
    """Share of n-grams that the draft already held, (N,) in [0, 1]; 0 means all are new."""
    return _mean_over_grams(_is_repeated(completions, n), completions, n)


def distinct(completions: Completions, n: int = 2) -> np.ndarray:
    """Distinct n-grams over n-grams, (N,) in [0, 1]; 0 while there is no n-gram.

    Source: Li et al. 2016, https://arxiv.org/abs/1510.03055 (distinct-1, distinct-2).
    """
    return _mean_over_grams(~_is_repeated(completions, n), completions, n)


def overlap(completions: Completions) -> np.ndarray:
    """Words shared with the reference, each as often as in both: F1, (N,) in [0, 1].

    ROUGE-1 F on token ids; 0 where there is no reference.
    Source: Lin 2004, https://aclanthology.org/W04-1013
    """
    tokens, lengths = completions.tokens, completions.lengths
    size = tokens.shape[1]
    is_reference = (
        np.arange(completions.references.shape[1]) < completions.reference_lengths[:, None]
    )
    is_same = (tokens[:, :, None] == completions.references[:, None, :]) & is_reference[:, None, :]
    available = is_same.sum(-1)  # (N, T) times the reference holds each token
    is_earlier = np.tri(size, k=-1, dtype=bool)  # [t, s]: s before t
    used = ((tokens[:, :, None] == tokens[:, None, :]) & is_earlier).sum(-1)
    hits = ((used < available) & completions.is_written).sum(-1)
    return 2.0 * hits / np.maximum(lengths + completions.reference_lengths, 1)


def length(completions: Completions) -> np.ndarray:
    """Share of the token budget that is written, (N,) in [0, 1]."""
    return completions.lengths / completions.budget


def _is_repeated(completions: Completions, n: int) -> np.ndarray:
    """(N, T - n + 1) bool: the n-gram that starts here stands earlier in the draft too."""
    size = max(completions.tokens.shape[1] - (n - 1), 0)
    is_same = np.ones((len(completions.tokens), size, size), bool)
    for offset in range(n):
        words = completions.tokens[:, offset : offset + size]
        is_same &= words[:, :, None] == words[:, None, :]
    is_earlier = np.tri(size, k=-1, dtype=bool)
    return np.any(is_same & is_earlier, axis=-1)


def _mean_over_grams(values: np.ndarray, completions: Completions, n: int) -> np.ndarray:
    """Mean of (N, T - n + 1) values over the n-grams that are written; 0 where there are none."""
    counts = np.maximum(completions.lengths - (n - 1), 0)
    return _mean(values, completions.is_written[:, n - 1 :], counts)


def _mean(
    values: np.ndarray, is_counted: np.ndarray, counts: np.ndarray, empty: float = 0.0
) -> np.ndarray:
    """Mean of the counted entries of each row; `empty` where there are none."""
    total = np.where(is_counted, values, 0.0).sum(-1)
    return np.where(counts > 0, total / np.maximum(counts, 1), empty)


@dataclass(frozen=True, slots=True)
class Score:
    """A named score: its function of `Completions` and its closed range."""

    function: Callable[[Completions], np.ndarray]
    low: float = 0.0
    high: float = 1.0


SCORES = {
    "fluency": Score(fluency),
    "repetition": Score(repetition),
    "repetition_3": Score(partial(repetition, n=3)),
    "distinct_1": Score(partial(distinct, n=1)),
    "distinct_2": Score(distinct),
    "overlap": Score(overlap),
    "length": Score(length),
}
"""Every score by the name that `rewards` uses."""
