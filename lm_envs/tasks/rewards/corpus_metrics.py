"""Metrics of many texts at once, which an evaluation reports beside the mean of each score.

Owns corpus metrics and averages over classes. Pure functions; knows nothing of episodes or files.
"""

from collections.abc import Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lm_envs.tasks.rewards.text_normalization import has_cjk, normalize_label, to_nfc

if TYPE_CHECKING:
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF


class MacroScores(NamedTuple):
    """Unweighted means over the labels, each in [0, 1]."""

    precision: float
    recall: float
    f1: float


def accuracy(labels: Sequence[str], expected: Sequence[str]) -> float:
    """Share of texts that equal the expected label, in [0, 1]; ignores case and outer spaces.

    Raises:
        ValueError: If there are no labels, or the two sides have different lengths.
    """
    _check_pairs(labels, expected)
    return float(
        np.mean(
            [
                normalize_label(a) == normalize_label(b)
                for a, b in zip(labels, expected, strict=True)
            ]
        )
    )


def macro_scores(labels: Sequence[str], expected: Sequence[str]) -> MacroScores:
    """Macro precision, recall and F1 over all labels that were written or expected.

    A label that was never written has precision 0, and one that was never expected has recall 0. A
    text that is not an expected label counts as a label of its own.

    Raises:
        ValueError: If there are no labels, or the two sides have different lengths.
    """
    _check_pairs(labels, expected)
    given, wanted = (np.array([normalize_label(t) for t in texts]) for texts in (labels, expected))
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
        texts: N texts.
        references: For each text a list of one or more references.

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
    """Exponential of the mean negative log-probability, 1 or more; 1 if every token was certain.

    Args:
        logprobs: (T,) float log-probability of each written token, nats, T >= 1.

    Raises:
        ValueError: If there are no log-probabilities.
    """
    if not np.size(logprobs):
        raise ValueError("Got no log-probabilities; allowed: one or more.")
    return float(np.exp(-np.mean(logprobs)))


def _corpus_score(
    metric: "BLEU | CHRF", texts: Sequence[str], references: Sequence[Sequence[str]]
) -> float:
    """Transposes the references for sacreBLEU: all first ones, all second ones, …, else None."""
    _check_pairs(texts, references)
    for several in references:
        if isinstance(several, str) or not several:
            raise ValueError(f"Got references {several!r}; allowed: a list of one text or more.")
    streams = list(zip_longest(*([to_nfc(text) for text in several] for several in references)))
    return min(metric.corpus_score([to_nfc(text) for text in texts], streams).score / 100, 1.0)


def _check_pairs(ours: Sequence, theirs: Sequence) -> None:
    if not ours or len(ours) != len(theirs):
        counts = f"{len(ours)} texts and {len(theirs)} to compare with"
        raise ValueError(f"Got {counts}; allowed: as many, one or more.")
