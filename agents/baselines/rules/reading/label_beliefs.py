"""Probabilities of the labels of a text of which only the beginning is shown.

Owns what the classifiers count and which texts each of them learns from. Knows no policy.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lm_envs.envs.episode_buffer import EpisodeBuffer
from lm_envs.tasks.classification import Classification

LabeledText = tuple[str, tuple[str, ...]]
"""The label of a text, and its beginnings: what is shown while it is read."""

PENALTY = 10.0
"""C of the logistic regressions, the inverse strength of their penalty."""

FOLDS = 5
"""Parts of the texts, each of which has a classifier that did not learn from it."""

WORDS, CHARACTERS = (1, 2), (2, 5)
"""Sizes of the groups of words, and of the groups of characters within a word, that are counted."""

_PIECE = r"\w+|[^\w\s]"
"""A word, or a punctuation mark: "%" and ";" tell much about the topic of a fact."""


@dataclass(frozen=True, slots=True)
class PrefixClassifier:
    """A logistic regression over TF-IDF of words and characters.

    Attributes:
        labels: L labels.
        model: A fitted pipeline of scikit-learn.
    """

    labels: Sequence[str]
    model: Any

    def probabilities(self, texts: Sequence[str]) -> np.ndarray:
        """Returns the probability of each label, (T, L) float64; 0 of one that is not known."""
        found = np.zeros((len(texts), len(self.labels)))
        places = [list(self.labels).index(label) for label in self.model.classes_]
        found[:, places] = self.model.predict_proba(list(texts))
        return found


def shown_text(episodes: EpisodeBuffer, row: int) -> str:
    """Returns the words of a text that a row has read."""
    task = episodes.task
    assert isinstance(task, Classification)
    shown = task.shown_texts(episodes.examples[row])
    return shown[min(len(episodes.turns[row]), len(shown) - 1)]


def learned_classifier(texts: Sequence[LabeledText], labels: Sequence[str]) -> PrefixClassifier:
    """Returns a classifier that learned from all beginnings of the texts.

    Args:
        texts: At least two, with different labels.
        labels: All labels that a text may have.

    Raises:
        ImportError: Without scikit-learn.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline, make_union

    options: dict[str, Any] = {"sublinear_tf": True}
    words = TfidfVectorizer(ngram_range=WORDS, token_pattern=_PIECE, **options)
    characters = TfidfVectorizer(analyzer="char_wb", ngram_range=CHARACTERS, **options)
    # More iterations change the probabilities little, and take longer than the agent's learning.
    regression = LogisticRegression(C=PENALTY, max_iter=100, tol=1e-3)
    model = make_pipeline(make_union(words, characters), regression)
    shown = [(text, label) for label, beginnings in texts for text in beginnings]
    model.fit([text for text, _ in shown], [label for _, label in shown])
    return PrefixClassifier(labels, model)


def cross_fitted(
    texts: Sequence[LabeledText], labels: Sequence[str], more: Sequence[LabeledText] = ()
) -> list[PrefixClassifier]:
    """Returns a classifier for each fold, which learned from the texts of the other folds.

    The probabilities for a text by a classifier that learned from it would be too high for its
    label, and a policy would learn to stop too early. Text number i is in fold i modulo `FOLDS`.

    Args:
        texts: Texts with folds.
        labels: All labels.
        more: Texts that every classifier learns from.
    """
    return [
        learned_classifier(
            [*more, *(text for place, text in enumerate(texts) if place % FOLDS != fold)], labels
        )
        for fold in range(FOLDS)
    ]
