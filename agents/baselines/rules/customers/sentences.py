"""What a customer's sentence is: the probability of each of its possible meanings.

Owns the meanings, the sentences that the classifier learns from, and how a reply is divided. A
label is a sentence's place in `customer_wordings`, which no agent sees. Knows no dynamics.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from agents.baselines.rules.customer_beliefs import VALUE
from lm_envs.tasks.simulators import customer_wordings as wordings
from lm_envs.tasks.simulators.customer import ITEMS, REQUESTS, VALUES
from lm_envs.tasks.simulators.varied_customer import MOODS

SLOTS = tuple(VALUES)

VAGUE, GREETING, DOUBT, REFUSAL = "vague", "greeting", "doubt", "refusal"
"""Meanings beside the requests and the moods: an opening without a request, a greeting and a
refusal that show no mood, and doubt about a value."""

MEANINGS = (*REQUESTS, VAGUE, *MOODS, GREETING, DOUBT, REFUSAL)
GREETINGS = (*MOODS, GREETING)
WISHES = (*REQUESTS, VAGUE)
ENDS = (*REQUESTS, *MOODS, DOUBT)
"""Meanings of a sentence after a value."""

REFUSALS = (*MOODS, REFUSAL)
CLARIFIED = (*REQUESTS, *REFUSALS)
"""Meanings of the first sentence after a clarification."""

PENALTY = 10.0
"""C of the logistic regression, the inverse strength of its penalty."""

LEAST = 1e-9
"""Smallest probability of a meaning that is possible."""

_ITEM = re.compile(rf"\b(?:{'|'.join(ITEMS)})\b")
_END = re.compile(r"(?<=[.?!:])\s+|(?<=madam,)\s+")
"""Ends of sentences; one of the greetings ends with a comma."""


def labeled_sentences(splits: Iterable[str]) -> list[tuple[str, str]]:
    """Returns what customers of some splits write beside values, and what it means.

    Args:
        splits: Of "train", "validation" and "test".
    """
    rows = []
    for split in splits:
        pools = [*wordings.WISHES.items(), (VAGUE, wordings.VAGUE), (DOUBT, wordings.DOUBTS)]
        pools += [(mood or GREETING, pool) for mood, pool in wordings.GREETINGS.items()]
        pools += wordings.REMARKS.items()
        pools += [(mood or REFUSAL, pool) for mood, pool in wordings.REFUSALS.items()]
        rows += [(_plain(each), meaning) for meaning, pool in pools for each in pool.get(split)]
    return rows


def sentences(reply: str) -> list[str]:
    """Returns the sentences of a customer's line."""
    return [each for each in _END.split(reply) if each]


def stated_slot(sentence: str) -> int | None:
    """Returns the place in `SLOTS` of the slot whose value a sentence has; None without a value."""
    found = VALUE.search(sentence)
    if found is None:
        return None
    return next(place for place, slot in enumerate(SLOTS) if found.group() in VALUES[slot])


class SentenceClassifier:
    """Logistic regression over TF-IDF of a sentence's words, pairs of words, and characters.

    All meanings weigh the same, whatever their number of sentences: a probability is proportional
    to that of the sentence if it had the meaning.

    Args:
        labeled: Sentences and their meanings; see `labeled_sentences`.
        temperature: Divides the log-probabilities; below 1 the classifier is surer.

    Raises:
        ImportError: Without scikit-learn.
    """

    def __init__(self, labeled: Sequence[tuple[str, str]], temperature: float = 1.0) -> None:
        self._temperature = temperature
        self._model = _fitted([text for text, _ in labeled], [meaning for _, meaning in labeled])
        self._places = {name: place for place, name in enumerate(self._model.classes_)}
        self._known: dict[str, np.ndarray] = {}

    def probabilities(self, sentence: str, meanings: Sequence[str]) -> np.ndarray:
        """Returns the probabilities (M,) of some meanings, one of which is right."""
        text = _plain(sentence)
        if text not in self._known:
            self._known[text] = self._model.predict_proba([text])[0]
        shares = self._known[text][[self._places[meaning] for meaning in meanings]]
        shares = shares.clip(LEAST) ** (1.0 / self._temperature)
        return shares / shares.sum()


def _fitted(texts: list[str], labels: list[str]) -> Any:  # noqa: ANN401 - scikit-learn's
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline, make_union

    characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True)
    words = TfidfVectorizer(token_pattern=r"\w+|[!?:]", ngram_range=(1, 2), sublinear_tf=True)
    regression = LogisticRegression(C=PENALTY, max_iter=500, class_weight="balanced")
    return make_pipeline(make_union(characters, words), regression).fit(texts, labels)


def _plain(sentence: str) -> str:
    """Returns a sentence in lower case, the same for each item."""
    return _ITEM.sub("thing", sentence.lower().replace("{item}", "thing"))
