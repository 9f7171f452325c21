"""Scores of one text: pure functions of the text and its references.

Owns the definition of each score, and caches of values and n-grams, each bounded by its memory. An
empty text scores 0, so that a potential built from scores starts at 0; texts are compared in NFC.
Knows nothing of tokens, models or batches.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache, wraps
from sys import getsizeof
from typing import TYPE_CHECKING

from lm_envs.lru import LRUCache
from lm_envs.tasks.rewards.text_normalization import (
    has_cjk,
    normalize_label,
    rouge_words,
    squad_words,
    to_nfc,
)

if TYPE_CHECKING:
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

TextFunction = Callable[[str, Sequence[str]], float]
"""A score: takes a text and its references, of which there may be none."""

VALUE_CACHE_BYTES = 2 * 2**20
"""Memory of the cached values of each comparison: agents write the same completions many times.
It has room for 6,000 values of texts of 20 characters."""

VALUE_BYTES = 200
"""Memory of a cached value beside its texts, as measured."""

REFERENCE_CACHE_BYTES = 4 * 2**20
"""Memory of the cached n-grams of references. To count them again takes about as long as the score
itself, so that it is enough if the references of the rows that run fit: 64 of 200 characters."""

METRIC_BYTES, GRAM_BYTES = 1200, 300
"""Memory of the n-grams of a reference, and of those at each of its characters. Measured: 1,200
bytes for one character, 6,800 for 20, 26,500 for 100."""


def _value_bytes(compared: tuple[str, ...], _: float) -> int:
    return VALUE_BYTES + sum(map(getsizeof, compared))


def _compares(compare: TextFunction) -> TextFunction:
    """Converts both sides to NFC; returns 0 if the text or every reference is blank."""

    def value(compared: tuple[str, ...]) -> float:
        text, *references = compared
        given = [to_nfc(reference) for reference in references if reference.strip()]
        return compare(to_nfc(text), given) if given and text.strip() else 0.0

    cached_value = LRUCache(VALUE_CACHE_BYTES, _value_bytes).memoize(value)

    @wraps(compare)
    def score(text: str, references: Sequence[str]) -> float:
        if isinstance(references, str):
            # A text is a sequence of texts, its characters, so it would be accepted without notice.
            raise ValueError(f"Got references={references!r}; allowed: a list of texts.")
        return cached_value((text, *references))

    return score


@_compares
def bleu(text: str, references: Sequence[str]) -> float:
    """Sentence BLEU of up to 4-grams, in [0, 1], against all references together.

    sacreBLEU with effective order and "exp" smoothing. If a reference contains CJK characters, its
    "zh" tokenizer is used, which separates ideographs but not kana.
    Source: Post 2018, https://aclanthology.org/W18-6319
    """
    tokenizer = "zh" if any(map(has_cjk, references)) else "13a"
    return min(_bleu(tokenizer).sentence_score(text, references).score / 100, 1.0)


@_compares
def chrf(text: str, references: Sequence[str]) -> float:
    """chrF2 of sacreBLEU, in [0, 1]: F2 of character n-grams up to 6; best reference.

    Source: Popović 2015, https://aclanthology.org/W15-3049
    """
    return min(_cached_metric(tuple(references)).corpus_score([text], None).score / 100, 1.0)


@_compares
def rouge_1(text: str, references: Sequence[str]) -> float:
    """F1 of shared words, in [0, 1]; best reference; no stemming.

    Source: Lin 2004, https://aclanthology.org/W04-1013
    """
    return _rouge(text, references, 1)


@_compares
def rouge_2(text: str, references: Sequence[str]) -> float:
    """F1 of shared pairs of words, in [0, 1]; best reference; a single word scores 0.

    Source: Lin 2004, https://aclanthology.org/W04-1013
    """
    return _rouge(text, references, 2)


@_compares
def rouge_l(text: str, references: Sequence[str]) -> float:
    """F1 of the longest common subsequence of words, in [0, 1]; best reference.

    Source: Lin 2004, https://aclanthology.org/W04-1013
    """
    words = rouge_words(text)
    return max(_subsequence_f1(words, rouge_words(reference)) for reference in references)


@_compares
def exact_match(text: str, references: Sequence[str]) -> float:
    """1 if text and reference differ only in case, punctuation, articles or spaces, else 0.

    Source: SQuAD v1.1, https://arxiv.org/abs/1606.05250
    """
    words = squad_words(text)
    return float(any(words == squad_words(reference) for reference in references))


@_compares
def token_f1(text: str, references: Sequence[str]) -> float:
    """F1 of shared answer words, in [0, 1]; best reference.

    Source: SQuAD v1.1, https://arxiv.org/abs/1606.05250
    """
    words = Counter(squad_words(text))
    return max(_f1(words, Counter(squad_words(reference))) for reference in references)


@_compares
def accuracy(text: str, references: Sequence[str]) -> float:
    """1 if the text differs from one of the labels only in case or outer spaces, else 0."""
    return float(normalize_label(text) in map(normalize_label, references))


def sentiment(text: str, references: Sequence[str] = ()) -> float:
    """Positivity of an English text, in [0, 1]; 0.5 is neutral. References are ignored.

    Compound score of VADER, rescaled from [-1, 1]; 0 for an empty text.
    Source: Hutto and Gilbert 2014, https://github.com/cjhutto/vaderSentiment
    """
    if not text.strip():
        return 0.0
    return (_analyzer().polarity_scores(to_nfc(text))["compound"] + 1) / 2


TEXT_SCORES: dict[str, TextFunction] = {
    "bleu": bleu,
    "chrf": chrf,
    "rouge_1": rouge_1,
    "rouge_2": rouge_2,
    "rouge_l": rouge_l,
    "exact_match": exact_match,
    "token_f1": token_f1,
    "accuracy": accuracy,
    "sentiment": sentiment,
}
"""All scores of a text, by the names that `rewards` uses."""


def _rouge(text: str, references: Sequence[str], n: int) -> float:
    grams = _grams(rouge_words(text), n)
    return max(_f1(grams, _grams(rouge_words(reference), n)) for reference in references)


def _grams(words: list[str], n: int) -> Counter:
    return Counter(zip(*(words[start:] for start in range(n)), strict=False))


def _f1(ours: Counter, theirs: Counter) -> float:
    """F1 of two multisets: 2 shared / (ours + theirs); 0 if no item is shared."""
    shared = (ours & theirs).total()
    return 2 * shared / (ours.total() + theirs.total()) if shared else 0.0


def _subsequence_f1(ours: list[str], theirs: list[str]) -> float:
    length = _common_subsequence(ours, theirs)
    return 2 * length / (len(ours) + len(theirs)) if length else 0.0


def _common_subsequence(ours: list[str], theirs: list[str]) -> int:
    """Length of the longest common subsequence of two lists of words.

    One integer holds a whole row of the usual table, one bit for each word of `ours`. This is
    needed because the score is computed at every step.

    Source: Hyyrö 2004, "Bit-parallel LCS-length computation revisited".
    """
    positions: dict[str, int] = {}
    for position, word in enumerate(ours):
        positions[word] = positions.get(word, 0) | 1 << position
    all_bits = (1 << len(ours)) - 1
    row = all_bits  # a bit is 0 where the length grows by one
    for word in theirs:
        matches = row & positions.get(word, 0)
        row = ((row + matches) | (row - matches)) & all_bits
    return len(ours) - row.bit_count()


@cache
def _bleu(tokenizer: str) -> "BLEU":
    from sacrebleu.metrics.bleu import BLEU

    return BLEU(tokenize=tokenizer, effective_order=True, smooth_method="exp")


def _chrf(references: tuple[str, ...]) -> "CHRF":
    """The metric for these references, whose n-grams are counted once."""
    from sacrebleu.metrics.chrf import CHRF

    return CHRF(references=[[reference] for reference in references])


def _metric_bytes(references: tuple[str, ...], _: "CHRF") -> int:
    return sum(METRIC_BYTES + GRAM_BYTES * len(reference) for reference in references)


_cached_metric = LRUCache(REFERENCE_CACHE_BYTES, _metric_bytes).memoize(_chrf)


@cache
def _analyzer() -> "SentimentIntensityAnalyzer":
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    return SentimentIntensityAnalyzer()
