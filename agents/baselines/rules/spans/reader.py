"""A reader of paragraphs: which relation a question asks for, and which span has such an answer.

Owns the features and the sum of both over relations. Learns from questions whose relation and
answer are known. Knows no reward.

Source: TF-IDF and logistic regression of scikit-learn, https://scikit-learn.org.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from agents.baselines.rules.customer_beliefs import left_out
from agents.baselines.rules.spans.paragraphs import Paragraph, Span

COPIES = 4
"""Copies of each wording with left out words, beside it, where there is a dropout."""

SPAN_PENALTY = 10.0
"""C of the logistic regressions of spans."""

_NAMES = re.compile(r"(?<=[^?:.] )[A-Z][\w'-]*(?: (?:and|of|the|da|de|e) (?=[A-Z])| (?=[A-Z]))?")


class Solved(NamedTuple):
    """A paragraph whose relation and answer are known."""

    paragraph: Paragraph
    relation: str
    answer: str


class QuestionSetting(NamedTuple):
    """How questions are read.

    Attributes:
        features: "stems" for the first letters of words, "characters" for 3 to 5 characters of a
            word, or "both".
        penalty: C, the inverse strength of the penalty.
        dropout: Share of the words that is left out of further copies of the wordings.
    """

    features: str
    penalty: float
    dropout: float


def wording(question: str) -> str:
    """Returns a question without names, in lower case: questions in one wording become the same."""
    return _NAMES.sub("", question).lower()


def stems(text: str, size: int = 5) -> list[str]:
    """Returns the first letters of the words of a text."""
    return [word[:size] for word in re.findall(r"[a-z0-9]+", text.lower())]


def worded_relations(solved: Iterable[Solved]) -> list[tuple[str, str]]:
    """Returns the wording and the relation of each question."""
    return [(wording(each.paragraph.question), each.relation) for each in solved]


class QuestionClassifier:
    """Logistic regression of the relation over TF-IDF of the words of a question.

    Args:
        pairs: Wordings and the relation of each.
        setting: How they are read.

    Raises:
        ImportError: Without scikit-learn.
    """

    def __init__(self, pairs: Iterable[tuple[str, str]], setting: QuestionSetting) -> None:
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline

        texts, labels = [], []
        for text, relation in sorted(set(pairs)):
            salts = range(COPIES) if setting.dropout else ()
            copies = [text, *(left_out(text, setting.dropout, salt) for salt in salts)]
            texts += copies
            labels += [relation] * len(copies)
        regression = LogisticRegression(C=setting.penalty, max_iter=100)
        self._model = make_pipeline(_counter(setting.features), regression).fit(texts, labels)
        self.relations: tuple[str, ...] = tuple(self._model.classes_)
        self._known: dict[str, np.ndarray] = {}

    def probabilities(self, questions: Sequence[str]) -> np.ndarray:
        """Returns the probability of each relation (Q, R)."""
        texts = [wording(question) for question in questions]
        new = list(dict.fromkeys(text for text in texts if text not in self._known))
        if new:
            self._known |= dict(zip(new, self._model.predict_proba(new), strict=True))
        return np.stack([self._known[text] for text in texts])


class SpanClassifier:
    """For each relation a logistic regression of whether a span answers it.

    Args:
        solved: What is learned from.
        relations: R relations.

    Raises:
        ImportError: Without scikit-learn.
    """

    def __init__(self, solved: Sequence[Solved], relations: Sequence[str]) -> None:
        from sklearn.feature_extraction import DictVectorizer
        from sklearn.linear_model import LogisticRegression

        counts = {relation: Counter[tuple[Any, ...]]() for relation in relations}
        for each in solved:
            for span in each.paragraph.spans:
                counts[each.relation][(span.text == each.answer, *span[1:])] += 1
        every = [Span("", *key) for count in counts.values() for _, *key in count]
        self._counter = DictVectorizer().fit(map(_features, every))
        self._models: list[Any] = []
        self._known: dict[tuple[Any, ...], np.ndarray] = {}
        for count in counts.values():
            spans = self._counter.transform([_features(Span("", *key)) for _, *key in count])
            regression = LogisticRegression(C=SPAN_PENALTY, max_iter=200)
            answers = [is_answer for is_answer, *_ in count]
            self._models.append(regression.fit(spans, answers, [*count.values()]))

    def probabilities(self, spans: Sequence[Span]) -> np.ndarray:
        """Returns the probability that each span answers each relation (S, R)."""
        new = list(dict.fromkeys(span[1:] for span in spans if span[1:] not in self._known))
        if new:
            counts = self._counter.transform([_features(Span("", *key)) for key in new])
            found = np.stack([model.predict_proba(counts)[:, 1] for model in self._models], 1)
            self._known |= dict(zip(new, found, strict=True))
        return np.stack([self._known[span[1:]] for span in spans])


def overlap(paragraph: Paragraph) -> np.ndarray:
    """Returns the share of the words of each span's label that are in the question (S,)."""
    asked = {*stems(paragraph.question)}
    shares = []
    for span in paragraph.spans:
        named = {*stems(span.label)}
        shares.append(len(asked & named) / max(len(named), 1))
    return np.array(shares)


class AnswerScores(NamedTuple):
    """What a reader thinks of the texts of a paragraph that can be answers.

    Attributes:
        texts: T different texts, in their order.
        beliefs: (X, T) probability of each to be the answer, for each of X classifiers of the
            question; texts that stand in several places have the sum.
        named: (T,) share of the words of a label that are in the question, times `fitting`.
        fitting: (T,) highest probability to answer a relation, whatever the question.
    """

    texts: tuple[str, ...]
    beliefs: np.ndarray
    named: np.ndarray
    fitting: np.ndarray


def answer_scores(
    paragraph: Paragraph, spans: SpanClassifier, relations: np.ndarray
) -> AnswerScores:
    """Scores the texts of a paragraph.

    Args:
        paragraph: With one span or more.
        spans: Knows which spans answer a relation.
        relations: (X, R) probabilities of the relations that the question asks for.
    """
    found = spans.probabilities(paragraph.spans)  # (S, R)
    texts = tuple(dict.fromkeys(span.text for span in paragraph.spans))
    places = np.array([texts.index(span.text) for span in paragraph.spans])
    beliefs = np.zeros((len(relations), len(texts)))
    np.add.at(beliefs.T, places, found @ relations.T)
    named, fitting = np.zeros(len(texts)), np.zeros(len(texts))
    np.maximum.at(named, places, overlap(paragraph) * found.max(1))
    np.maximum.at(fitting, places, found.max(1))
    return AnswerScores(texts, beliefs, named, fitting)


def _features(span: Span) -> dict[str, Any]:
    kind = f"{span.label} {span.form}"
    return {
        "label": span.label,
        "form": span.form,
        "kind": kind,
        "place": f"{kind} {span.place}",
        "largest": f"{kind} {span.is_largest}",
    }


def _counter(features: str) -> Any:  # noqa: ANN401 - scikit-learn's
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_union

    kinds: dict[str, dict[str, Any]] = {
        "stems": {"analyzer": stems},
        "characters": {"analyzer": "char_wb", "ngram_range": (3, 5)},
    }
    chosen = [kinds[name] for name in kinds if features in (name, "both")]
    return make_union(*(TfidfVectorizer(**kind, sublinear_tf=True) for kind in chosen))
