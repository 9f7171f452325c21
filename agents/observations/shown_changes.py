"""What a rule reads off solved examples, as columns of the candidates.

Owns the columns, and which texts the rule learns from. Knows no policy and no reward.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from agents.baselines.rules.analogy.shown_change import (
    KnownText,
    Prices,
    WordPairs,
    has_shown_examples,
    known_texts,
    parse_shown,
    ranked_readings,
)
from agents.observations.readings import CandidateReadings, continuations, padded
from lm_envs.envs.observations.factory import View
from lm_envs.tasks.completion import CompletionItem
from lm_envs.tasks.datasets import EMBEDDED
from lm_envs.tasks.paraphrase import RULE

PATH = "agents.observations.shown_changes:ShownChanges"

PRICES = Prices(0.25, 0.05)
"""Of unknown pairs of words: the best of the rule `shown change` on validation."""

MOST_READINGS = 24
"""Readings of a text that are kept: the best."""

COLUMNS = (
    *("candidate_read", "candidate_best", "candidate_copied", "candidate_left"),
    "candidate_agreed",
)


@dataclass(frozen=True, slots=True)
class EncodedReadings:
    """The readings of a text, R of them with up to T tokens.

    Attributes:
        tokens: (R, T) ids, then the end token.
        weights: (R,) softmax of the scores, the largest first.
        text: (S,) ids of the text to rewrite.
    """

    tokens: np.ndarray
    weights: np.ndarray
    text: np.ndarray


class ShownChanges(CandidateReadings[EncodedReadings]):
    """How the readings of the shown change go on, for K candidates.

    The readings are those of the rule `shown change`, whose word pairs are learned from the split
    "train"; for a text of this split without those of its own rule. Readings count that differ in
    the fewest tokens from what is written.

    `candidate_read` (K): weight of the readings that go on with the candidate, a softmax of their
    scores. `candidate_best` (K): 1 for the token of the best of them. `candidate_agreed` (K): 1
    for a token with which all of them go on. `candidate_copied` (K): 1 for a token that follows the
    last one in the text to rewrite. `candidate_left` (K): 1 for a token that the text has more
    often than the completion.

    Args:
        view: What the observation is made from.

    Raises:
        ValueError: If the task is no `Paraphrase` with held-out rules and solved examples.
    """

    def __init__(self, view: View) -> None:
        super().__init__(view, COLUMNS)
        task = view.setup.task
        if not has_shown_examples(task):
            raise ValueError(
                f"Got ShownChanges for {type(task).__name__}; allowed: Paraphrase with "
                'held_out="rules" and shots.'
            )
        self._task, self._tokenizer = task, view.setup.tokenizer
        items = task.load_items(EMBEDDED, "train", None)
        self._known = _word_pairs(tuple((item.columns[RULE], _text(item)) for item in items))
        self._own_rules = frozenset(item.columns[RULE] for item in items)

    def read(self, index: int) -> EncodedReadings:
        """See `CandidateReadings`."""
        item = None if index < 0 else self._task.item(self._task.example(index))
        shown = None if item is None else parse_shown(item.shown)
        if item is None or shown is None:
            return EncodedReadings(np.zeros((0, 1), np.int64), np.zeros(0), np.zeros(0, np.int64))
        rule = item.columns[RULE]
        without = rule if rule in self._own_rules else None
        found = ranked_readings(shown, self._known, PRICES, without)[:MOST_READINGS]
        scores = np.array([each.likeness for each in found])
        weights = np.exp(scores - scores.max(initial=0.0))
        tokens = [self._tokenizer.encode_completion(each.text) for each in found]
        own = self._tokenizer.encode_completion(shown.text)
        weights /= max(weights.sum(), 1e-9)
        return EncodedReadings(padded(tokens, self._tokenizer.end_token), weights, own)

    def columns_of(
        self, readings: EncodedReadings, written: np.ndarray, candidates: np.ndarray
    ) -> np.ndarray:
        """See `CandidateReadings`."""
        found = np.zeros((len(COLUMNS), len(candidates)))
        tokens, text = readings.tokens, readings.text
        if len(tokens):
            kept, following = continuations(tokens, written)
            weights = readings.weights[kept]
            is_next = following[:, None] == candidates
            found[0] = (weights[:, None] * is_next).sum(0) / max(weights.sum(), 1e-9)
            found[1] = is_next[0]
            found[4] = is_next.all(0)
        if len(written):
            found[2] = np.isin(candidates, text[1:][text[:-1] == written[-1]])
        counts = (text[:, None] == candidates).sum(0) - (written[:, None] == candidates).sum(0)
        found[3] = counts > 0
        return found


@lru_cache(maxsize=2)  # environments of one process share them
def _word_pairs(texts: tuple[tuple[str, tuple[str, ...]], ...]) -> WordPairs:
    return WordPairs(KnownText(text, rule) for rule, each in texts for text in each)


def _text(item: CompletionItem) -> tuple[str, ...]:
    return tuple(each.text for each in known_texts([(item.prompt, item.targets)]))
