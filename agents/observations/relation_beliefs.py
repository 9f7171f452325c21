"""What rules read in a question about a chain of relations, as columns of an observation.

Owns the columns, and which questions the classifier learns from. Knows no policy and no reward.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from zlib import crc32

import numpy as np

from agents.baselines.rules.chains.next_relation import NextRelation, Walk, question_of
from agents.baselines.rules.chains.phrase_lookup import mentioned, phrase_lookup
from agents.baselines.rules.customer_beliefs import left_out
from lm_envs.envs.episode_buffer import EpisodeBuffer
from lm_envs.envs.observations.factory import View
from lm_envs.envs.observations.features import Bounds
from lm_envs.lru import LRUCache
from lm_envs.model.engine import Outputs
from lm_envs.tasks.knowledge_graph import KnowledgeGraphQA
from lm_envs.tasks.simulators.fact_graph import STOP

PATH = "agents.observations.relation_beliefs:RelationBeliefs"
SHOWN_SETTING = ("words", 10.0, 0.3)
"""What the classifier counts, its penalty and its dropout; see `NextRelation`."""

NUM_MENTIONS = 4
"""Mentioned relations that are shown."""

NUM_TURNS = 3
"""Last turns that are shown."""

STEM = 5
"""First letters of the words that name relations."""

LOOKUP_DROPOUT = 0.3
"""Times `dropout` is the share of words that the lookup does not read: a word that is left out
costs it more than the classifiers, and in held-out wordings it is the surer of the two."""

CACHE_BYTES, ENTRY_BYTES = 64 * 2**20, 400
"""Memory of the stored columns, and of an entry beside its prompt, array and turns."""

Shown = tuple[int, str, tuple[str, ...]]
"""Index of an example, its prompt, and the lines so far."""


class RelationBeliefs:
    """Beliefs about the next relation, for L lines (relations, the same backward, and stop).

    `next_relation` (L): probability of each line under classifiers of question and path; see
    `NextRelation`. They learn from the walks to the answers of the questions of the split "train":
    two classifiers, each from half of the chains of relations. A question of "train" is read by the
    one that has not learned from its chain, all others by both, whose probabilities are averaged.
    `looked_up` (L): the line that the rule `phrase_lookup` takes, if any. `mentions` (4 R): which
    of the R relations words of the question name, in the order of the walk, as that rule reads
    them. `turns` (3 L): the last three lines, the last one first.

    Args:
        view: What the observation is made from.
        dropout: Share of the words of a question that the classifiers do not read, and the lookup
            a smaller one: for training, so that a policy learns how sure the beliefs are for
            wordings that they have not learned. `agents` evaluates without it.

    Raises:
        ValueError: If the task is no `KnowledgeGraphQA`, or the dropout is not allowed.
        ImportError: Without scikit-learn.
    """

    def __init__(self, view: View, *, dropout: float = 0.0) -> None:
        task = view.setup.task
        if not isinstance(task, KnowledgeGraphQA):
            raise ValueError(
                f"Got RelationBeliefs for {type(task).__name__}; allowed: KnowledgeGraphQA."
            )
        if not 0.0 <= dropout < 1.0:
            raise ValueError(f"Got dropout={dropout!r}; allowed: 0 <= dropout < 1.")
        self._dropout, self._task, self._lookup = dropout, task, phrase_lookup(STEM)
        known = task.questions("train")
        walks = tuple(Walk(each.question, (*each.path, STOP)) for each in known)
        self._models = _models(walks, task.lines)
        self._halves = {walk.question: half_of(walk.path) for walk in walks}
        self._columns = LRUCache[Shown, np.ndarray](CACHE_BYTES, _num_bytes)
        num_lines = len(task.lines)
        sizes = {
            "next_relation": num_lines,
            "looked_up": num_lines,
            "mentions": NUM_MENTIONS * len(task.relations),
            "turns": NUM_TURNS * num_lines,
        }
        self.columns: Mapping[str, Bounds] = {
            name: (np.zeros(size), np.ones(size)) for name, size in sizes.items()
        }

    def encode(self, outputs: Outputs, episodes: EpisodeBuffer) -> np.ndarray:
        """Returns (N, 5 L + 4 R)."""
        shown = [
            (example.index, prompt, tuple(turns))
            for example, prompt, turns in zip(
                episodes.examples, episodes.prompts, episodes.turns, strict=True
            )
        ]
        found = self._columns.get_or_compute(
            shown, lambda places: self._encode([shown[place] for place in places])
        )
        return np.stack(found)

    def _encode(self, shown: Sequence[Shown]) -> np.ndarray:
        """Returns the columns of what is shown (Q, 5 L + 4 R)."""
        lines, relations = self._task.lines, self._task.relations
        questions = [question_of(prompt) for _, prompt, _ in shown]
        read, known = (
            [left_out(text, share, crc32(text.encode())) for text in questions]
            for share in (self._dropout, self._dropout * LOOKUP_DROPOUT)
        )
        looked_up = np.zeros((len(shown), len(lines)))
        mentions = np.zeros((len(shown), NUM_MENTIONS, len(relations)))
        followed = np.zeros((len(shown), NUM_TURNS, len(lines)))
        for row, (index, prompt, turns) in enumerate(shown):
            options = self._task.options(self._task.example(index), turns)
            line = self._lookup(prompt.replace(questions[row], known[row]), turns, options)
            if line is not None:
                looked_up[row, lines.index(line)] = 1.0
            for place, name in enumerate(mentioned(known[row], STEM)[:NUM_MENTIONS]):
                mentions[row, place, relations.index(name)] = 1.0
            for place, turn in enumerate(turns[::-1][:NUM_TURNS]):
                followed[row, place, lines.index(turn)] = 1.0
        shares = self._shares(questions, read, [turns for *_, turns in shown])
        parts = [each.reshape(len(shown), -1) for each in (shares, looked_up, mentions, followed)]
        return np.concatenate(parts, axis=1).astype(np.float32)

    def _shares(
        self, questions: Sequence[str], read: Sequence[str], turns: Sequence[Sequence[str]]
    ) -> np.ndarray:
        """Returns the probability of each line (Q, L)."""
        both = np.stack([model.probabilities(read, turns) for model in self._models])
        halves = np.array([self._halves.get(question, -1) for question in questions])
        own = both[1 - halves.clip(0), np.arange(len(questions))]
        return np.where(halves[:, None] < 0, both.mean(0), own)


def _num_bytes(shown: Shown, value: np.ndarray) -> int:
    _, prompt, turns = shown
    return ENTRY_BYTES + len(prompt) + sum(map(len, turns)) + value.nbytes


def half_of(path: Sequence[str]) -> int:
    """Returns the half, 0 or 1, to which a chain of relations belongs."""
    return crc32(" > ".join(path).encode()) % 2


@lru_cache(maxsize=2)
def _models(walks: tuple[Walk, ...], lines: tuple[str, ...]) -> tuple[NextRelation, NextRelation]:
    """Returns the classifiers that learned from each half of the chains."""
    first, second = (
        NextRelation([walk for walk in walks if half_of(walk.path) == half], lines, *SHOWN_SETTING)
        for half in (0, 1)
    )
    return first, second
