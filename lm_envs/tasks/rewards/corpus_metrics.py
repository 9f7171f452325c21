"""Metrics of many texts at once: what an evaluation reports beside the mean of each score.

Owns corpus and class averages. Pure functions; knows nothing of episodes or files.
"""

from collections.abc import Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lm_envs.tasks.rewards.text_scores import label_of
from lm_envs.tasks.text_normalization import has_cjk, normalized

if TYPE_CHECKING:
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF


class MacroScores(NamedTuple):
    """Means over the labels, each in [0, 1], every label counting alike."""

    precision: float
    recall: float
    f1: float


def accuracy(labels: Sequence[str], expected: Sequence[str]) -> float:
    """Share of texts that are the expected label, in [0, 1]; case and outer spaces aside.

    Raises:
        ValueError: If there are no labels, or not as many as expected.
    """
    _check_pairs(labels, expected)
    return float(
        np.mean([label_of(a) == label_of(b) for a, b in zip(labels, expected, strict=True)])
    )


def macro_scores(labels: Sequence[str], expected: Sequence[str]) -> MacroScores:
    """Macro precision, recall and F1 over all labels that were given or expected.

    A label that was never given has precision 0, one that was never expected recall 0; a text that
    is no label at all counts as a label of its own.

    Raises:
        ValueError: If there are no labels, or not as many as expected.
    """
    _check_pairs(labels, expected)
    given, wanted = (np.array([label_of(t) for t in texts]) for texts in (labels, expected))
    classes = np.union1d(given, wanted)[:, None]  # (C, 1)
    is_given, is_wanted = given == classes, wanted == classes  # (C, N)
    hits = (is_given & is_wanted).sum(1)
    num_given, num_wanted = is_given.sum(1), is_wanted.sum(1)
    precision = (hits / np.maximum(num_given, 1)).mean()
    recall = (hits / np.maximum(num_wanted, 1)).mean()
    f1 = (2 * hits / (num_given + num_wanted)).mean()
    return MacroScores(float(precision), float(recall), float(f1))


def corpus_bleu(texts: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """BLEU of all texts together, in [0, 1]; sacreBLEU, "zh" tokenizer if a reference holds CJK.

    Args:
        texts: What was written, (N,).
        references: What was hoped for, one or more for each text.

    Raises:
        ValueError: If there are no texts, or a text has no reference.
    """
    from sacrebleu.metrics.bleu import BLEU

    is_chinese = any(has_cjk(text) for several in references for text in several)
    metric = BLEU(tokenize="zh" if is_chinese else "13a")
    return _corpus_score(metric, texts, references)


def corpus_chrf(texts: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """chrF2 of all texts together, in [0, 1]; sacreBLEU. Arguments as for `corpus_bleu`.

    Raises:
        ValueError: If there are no texts, or a text has no reference.
    """
    from sacrebleu.metrics.chrf import CHRF

    return _corpus_score(CHRF(), texts, references)


def perplexity(logprobs: np.ndarray) -> float:
    """Exponential of the mean negative log-probability, 1 or more; 1 is certain of every word.

    Args:
        logprobs: (T,) float log-probability of each written token, nats, T >= 1.

    Raises:
        ValueError: If there are none.
    """
    if not np.size(logprobs):
        raise ValueError("Got no log-probabilities; allowed: one or more.")
    return float(np.exp(-np.mean(logprobs)))


def _corpus_score(
    metric: "BLEU | CHRF", texts: Sequence[str], references: Sequence[Sequence[str]]
) -> float:
    """Gives sacreBLEU the first references, the second ones…; None where a text has fewer."""
    _check_pairs(texts, references)
    for several in references:
        if isinstance(several, str) or not several:
            raise ValueError(f"Got references {several!r}; allowed: a list of one text or more.")
    streams = list(zip_longest(*([normalized(text) for text in several] for several in references)))
    return min(metric.corpus_score([normalized(text) for text in texts], streams).score / 100, 1.0)


def _check_pairs(ours: Sequence, theirs: Sequence) -> None:
    if not ours or len(ours) != len(theirs):
        counts = f"{len(ours)} texts and {len(theirs)} to compare with"
        raise ValueError(f"Got {counts}; allowed: as many, one or more.")
