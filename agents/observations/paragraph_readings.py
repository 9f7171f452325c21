"""What readers find in a paragraph for a question, as columns of the candidates.

Owns the columns, and which questions the readers learn from. Knows no policy and no reward.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from zlib import crc32

import numpy as np

from agents.baselines.rules.spans.paragraphs import parse
from agents.baselines.rules.spans.reader import (
    AnswerScores,
    QuestionClassifier,
    QuestionSetting,
    Solved,
    SpanClassifier,
    answer_scores,
    worded_relations,
    wording,
)
from agents.observations.readings import CandidateReadings, continuations, padded
from lm_envs.envs.observations.factory import View
from lm_envs.tasks.datasets import EMBEDDED
from lm_envs.tasks.question_answering import QuestionAnswering

PATH = "agents.observations.paragraph_readings:ParagraphReadings"

CLASSIFIERS = {
    "stems": QuestionSetting("stems", 10.0, 0.0),
    "characters": QuestionSetting("characters", 10.0, 0.0),
    "dropout": QuestionSetting("stems", 3.0, 0.3),
}
"""What reads the questions, by the names of their columns."""

FOLDS = 8
"""Parts of the wordings; a wording of "train" is read by classifiers that know the other parts."""

COLUMNS = (
    *(f"candidate_{kind}_{name}" for name in CLASSIFIERS for kind in ("read", "best")),
    *("candidate_named", "candidate_fitting"),
)


@dataclass(frozen=True, slots=True)
class EncodedReadings:
    """The texts of a paragraph that can be answers, R of them with up to T tokens.

    Attributes:
        tokens: (R, T) ids, then the end token.
        beliefs: (X, R) shares of the texts under each classifier of the question.
        others: (2, R) whether a label is named in the question, and whether the text fits any.
    """

    tokens: np.ndarray
    beliefs: np.ndarray
    others: np.ndarray


class ParagraphReadings(CandidateReadings[EncodedReadings]):
    """How the possible answers in a paragraph go on, for K candidates.

    The readers are those of the rule `paragraph reader`: classifiers of the relation that a
    question asks for, and of the spans that answer it. They learn from the split "train"; a
    question of this split is read by classifiers that do not know its wording, so that an agent
    learns how far to trust them. Texts count that differ in the fewest tokens from what is written.

    For each classifier X of the question, `candidate_read_X` (K): share of the texts that go on
    with the candidate, by their probabilities; `candidate_best_X` (K): 1 for the token of the most
    probable of them. `candidate_named` (K): the largest share of the words of a label that are in
    the question, of texts that go on with the candidate. `candidate_fitting` (K): the highest
    probability of such a text to answer any relation.

    Args:
        view: What the observation is made from.

    Raises:
        ValueError: If the task is no `QuestionAnswering` with held-out wordings.
        ImportError: Without scikit-learn.
    """

    def __init__(self, view: View) -> None:
        super().__init__(view, COLUMNS)
        task = view.setup.task
        if not (isinstance(task, QuestionAnswering) and task.has_wordings):
            raise ValueError(
                f"Got ParagraphReadings for {type(task).__name__}; allowed: QuestionAnswering with "
                'mode="extractive" and held_out="wordings".'
            )
        self._task, self._tokenizer = task, view.setup.tokenizer
        items = task.load_items(EMBEDDED, "train", None)
        self._readers = _readers(
            tuple((item.prompt, item.columns["relation"], item.targets[0]) for item in items)
        )

    def read(self, index: int) -> EncodedReadings:
        """See `CandidateReadings`."""
        scores = None
        if index >= 0:
            scores = self._readers.read(self._task.item(self._task.example(index)).prompt)
        if scores is None:
            return EncodedReadings(*(np.zeros((0, 0), np.int64) for _ in range(3)))
        tokens = [self._tokenizer.encode_completion(text) for text in scores.texts]
        shares = scores.beliefs / scores.beliefs.sum(1, keepdims=True).clip(1e-9)
        others = np.stack([scores.named, scores.fitting])
        return EncodedReadings(padded(tokens, self._tokenizer.end_token), shares, others)

    def columns_of(
        self, readings: EncodedReadings, written: np.ndarray, candidates: np.ndarray
    ) -> np.ndarray:
        """See `CandidateReadings`."""
        if not len(readings.tokens):
            return np.zeros((len(COLUMNS), len(candidates)))
        kept, following = continuations(readings.tokens, written)
        is_next = following[:, None] == candidates  # (R, K)
        found = []
        for beliefs in readings.beliefs[:, kept]:
            read = (beliefs[:, None] * is_next).sum(0) / max(beliefs.sum(), 1e-9)
            found += [read, is_next[beliefs.argmax()]]
        largest = (readings.others[:, kept, None] * is_next).max(1)
        return np.stack([*found, *largest])


class _Readers:
    """Classifiers of spans, and of questions: for each part of the wordings, and for all others.

    Args:
        solved: What is learned from.
    """

    def __init__(self, solved: Sequence[Solved]) -> None:
        pairs = worded_relations(solved)
        self._folds = {text: _fold(text) for text, _ in pairs}
        self._classifiers = [
            [
                QuestionClassifier((pair for pair in pairs if _fold(pair[0]) != part), setting)
                for setting in CLASSIFIERS.values()
            ]
            for part in range(FOLDS + 1)  # the last one knows all
        ]
        self._spans = SpanClassifier(solved, self._classifiers[-1][0].relations)

    def read(self, prompt: str) -> AnswerScores | None:
        """Returns what the readers think of the texts of a prompt; None if it has none."""
        paragraph = parse(prompt)
        if not paragraph.spans:
            return None
        part = self._folds.get(wording(paragraph.question), FOLDS)
        found = [each.probabilities([paragraph.question])[0] for each in self._classifiers[part]]
        return answer_scores(paragraph, self._spans, np.stack(found))


@lru_cache(maxsize=1)  # environments of one process share them
def _readers(solved: tuple[tuple[str, str, str], ...]) -> _Readers:
    return _Readers([Solved(parse(prompt), *rest) for prompt, *rest in solved])


def _fold(text: str) -> int:
    return crc32(text.encode()) % FOLDS
