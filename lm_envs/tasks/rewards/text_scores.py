"""Scores of one text: pure functions of the text and the references hoped for.

Owns what each score means and its range. An empty text scores 0, so that a potential built from
scores starts at 0; texts are compared in NFC. Knows nothing of tokens, models or batches.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache, lru_cache, wraps
from typing import TYPE_CHECKING, NamedTuple

from lm_envs.tasks.text_normalization import answer_words, has_cjk, normalized, plain_words

if TYPE_CHECKING:
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

TextFunction = Callable[[str, Sequence[str]], float]
"""A score: what was written, and the references, of which there may be none."""


class TextScore(NamedTuple):
    """A score and its closed range."""

    function: TextFunction
    low: float = 0.0
    high: float = 1.0


REMEMBERED = 2**14
"""How many values of each comparison are kept: agents write the same completions again and again."""

COUNTED = 2**11
"""Of how many examples the n-grams of the references are kept."""


def _compares(compare: TextFunction) -> TextFunction:
    """Puts both sides in NFC; 0 where the text or every reference is blank."""

    @lru_cache(REMEMBERED)
    def value_of(text: str, references: tuple[str, ...]) -> float:
        hoped = [normalized(reference) for reference in references if reference.strip()]
        return compare(normalized(text), hoped) if hoped and text.strip() else 0.0

    @wraps(compare)
    def score(text: str, references: Sequence[str]) -> float:
        if isinstance(references, str):
            raise ValueError(f"Got references={references!r}; allowed: a list of texts.")
        return value_of(text, tuple(references))

    return score


@_compares
def bleu(text: str, references: Sequence[str]) -> float:
    """Sentence BLEU of up to 4-grams, in [0, 1], against all references together.

    sacreBLEU with effective order and "exp" smoothing. Where a reference holds CJK characters, its
    "zh" tokenizer takes them one by one; it leaves kana joined.
    Source: Post 2018, https://aclanthology.org/W18-6319
    """
    tokenizer = "zh" if any(map(has_cjk, references)) else "13a"
    return min(_bleu(tokenizer).sentence_score(text, references).score / 100, 1.0)


@_compares
def chrf(text: str, references: Sequence[str]) -> float:
    """chrF2 of sacreBLEU, in [0, 1]: F2 of character n-grams up to 6, the best reference.

    Source: Popović 2015, https://aclanthology.org/W15-3049
    """
    return min(_chrf(tuple(references)).corpus_score([text], None).score / 100, 1.0)


@_compares
def rouge_1(text: str, references: Sequence[str]) -> float:
    """F1 of shared words, in [0, 1]; the best reference; no stemming.

    Source: Lin 2004, https://aclanthology.org/W04-1013
    """
    return _rouge(text, references, 1)


@_compares
def rouge_2(text: str, references: Sequence[str]) -> float:
    """F1 of shared pairs of words, in [0, 1]; the best reference; a single word scores 0.

    Source: Lin 2004, https://aclanthology.org/W04-1013
    """
    return _rouge(text, references, 2)


@_compares
def rouge_l(text: str, references: Sequence[str]) -> float:
    """F1 of the longest common subsequence of words, in [0, 1]; the best reference.

    Source: Lin 2004, https://aclanthology.org/W04-1013
    """
    words = plain_words(text)
    return max(_subsequence_f1(words, plain_words(reference)) for reference in references)


@_compares
def exact_match(text: str, references: Sequence[str]) -> float:
    """1 if the text is a reference but for case, punctuation, articles and spaces, else 0.

    Source: SQuAD v1.1, https://arxiv.org/abs/1606.05250
    """
    words = answer_words(text)
    return float(any(words == answer_words(reference) for reference in references))


@_compares
def token_f1(text: str, references: Sequence[str]) -> float:
    """F1 of shared answer words, in [0, 1]; the best reference.

    Source: SQuAD v1.1, https://arxiv.org/abs/1606.05250
    """
    words = Counter(answer_words(text))
    return max(_f1(words, Counter(answer_words(reference))) for reference in references)


@_compares
def accuracy(text: str, references: Sequence[str]) -> float:
    """1 if the text is one of the labels but for case and outer spaces, else 0."""
    return float(label_of(text) in map(label_of, references))


def sentiment(text: str, references: Sequence[str] = ()) -> float:
    """How positive an English text is, in [0, 1]; 0.5 is neutral. References play no part.

    VADER's compound, rescaled from [-1, 1]; 0 for an empty text.
    Source: Hutto and Gilbert 2014, https://github.com/cjhutto/vaderSentiment
    """
    if not text.strip():
        return 0.0
    return (_analyzer().polarity_scores(normalized(text))["compound"] + 1) / 2


def label_of(text: str) -> str:
    """The label a text spells: NFC, without outer spaces, case folded."""
    return normalized(text).strip().casefold()


TEXT_SCORES = {
    "bleu": TextScore(bleu),
    "chrf": TextScore(chrf),
    "rouge_1": TextScore(rouge_1),
    "rouge_2": TextScore(rouge_2),
    "rouge_l": TextScore(rouge_l),
    "exact_match": TextScore(exact_match),
    "token_f1": TextScore(token_f1),
    "accuracy": TextScore(accuracy),
    "sentiment": TextScore(sentiment),
}
"""Every score of a text by name."""


def _rouge(text: str, references: Sequence[str], n: int) -> float:
    grams = _grams(plain_words(text), n)
    return max(_f1(grams, _grams(plain_words(reference), n)) for reference in references)


def _grams(words: list[str], n: int) -> Counter:
    return Counter(zip(*(words[start:] for start in range(n)), strict=False))


def _f1(ours: Counter, theirs: Counter) -> float:
    """2 shared / (ours + theirs), each item as often as in both; 0 where nothing is shared."""
    shared = (ours & theirs).total()
    return 2 * shared / (ours.total() + theirs.total()) if shared else 0.0


def _subsequence_f1(ours: list[str], theirs: list[str]) -> float:
    length = _common_subsequence(ours, theirs)
    return 2 * length / (len(ours) + len(theirs)) if length else 0.0


def _common_subsequence(ours: list[str], theirs: list[str]) -> int:
    """Length of the longest common subsequence, one machine word of the table's row at a time.

    Source: Hyyrö 2004, "Bit-parallel LCS-length computation revisited".
    """
    places: dict[str, int] = {}
    for place, word in enumerate(ours):
        places[word] = places.get(word, 0) | 1 << place
    everywhere = (1 << len(ours)) - 1
    row = everywhere  # a 0 task_scores where the length grows
    for word in theirs:
        matches = row & places.get(word, 0)
        row = ((row + matches) | (row - matches)) & everywhere
    return len(ours) - row.bit_count()


@cache
def _bleu(tokenizer: str) -> "BLEU":
    from sacrebleu.metrics.bleu import BLEU

    return BLEU(tokenize=tokenizer, effective_order=True, smooth_method="exp")


@lru_cache(COUNTED)
def _chrf(references: tuple[str, ...]) -> "CHRF":
    """The metric against these references, whose n-grams it counts once."""
    from sacrebleu.metrics.chrf import CHRF

    return CHRF(references=[[reference] for reference in references])


@cache
def _analyzer() -> "SentimentIntensityAnalyzer":
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    return SentimentIntensityAnalyzer()
