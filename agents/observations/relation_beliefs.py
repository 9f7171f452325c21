"""What rules read in a question about a chain of relations, as columns of an observation.

Owns the columns, and which questions the classifier learns from. Knows no policy and no reward.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from zlib import crc32

import numpy as np

from agents.baselines.rules.chains.next_relation import NextRelation, Walk, question_of
from agents.baselines.rules.chains.phrase_lookup import mentioned
from agents.baselines.rules.customer_beliefs import left_out
from lm_envs.envs.episode_buffer import EpisodeBuffer
from lm_envs.envs.observations.factory import View
from lm_envs.envs.observations.features import Bounds
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


class RelationBeliefs:
    """Beliefs about the next relation, for L lines, R relations of facts and stop.

    `next_relation` (L): probability of each line under a classifier of question and path; see
    `NextRelation`. It learns from the walks to the answers of the questions of the split "train".
    `mentions` (4 R): which relations words of the question name, in the order of the walk, as the
    rule `phrase_lookup` reads them. `turns` (3 L): the last three lines, the last one first.

    Args:
        view: What the observation is made from.
        dropout: Share of the words of a question that are not read: for training, so that a policy
            learns how sure the beliefs are for wordings that they have not learned. `agents`
            evaluates without it.

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
        self._dropout = dropout
        self._lines, self._relations = task.lines, task.relations
        known = task.questions("train")
        walks = tuple(Walk(each.question, (*each.path, STOP)) for each in known)
        self._model = _model(walks, self._lines)
        self._known: dict[tuple[str, tuple[str, ...]], np.ndarray] = {}
        sizes = {
            "next_relation": len(self._lines),
            "mentions": NUM_MENTIONS * len(self._relations),
            "turns": NUM_TURNS * len(self._lines),
        }
        self.columns: Mapping[str, Bounds] = {
            name: (np.zeros(size), np.ones(size)) for name, size in sizes.items()
        }

    def encode(self, outputs: Outputs, episodes: EpisodeBuffer) -> np.ndarray:
        """Returns (N, 4 L + 4 R)."""
        keys = [
            (question_of(prompt), tuple(turns))
            for prompt, turns in zip(episodes.prompts, episodes.turns, strict=True)
        ]
        new = [key for key in dict.fromkeys(keys) if key not in self._known]
        if new:
            self._known |= dict(zip(new, self._encode(new), strict=True))
        return np.stack([self._known[key] for key in keys])

    def _encode(self, keys: Sequence[tuple[str, tuple[str, ...]]]) -> np.ndarray:
        """Returns the columns for questions and turns (Q, 4 L + 4 R)."""
        read = [left_out(text, self._dropout, crc32(text.encode())) for text, _ in keys]
        shares = self._model.probabilities(read, [turns for _, turns in keys])
        mentions = np.zeros((len(keys), NUM_MENTIONS, len(self._relations)))
        followed = np.zeros((len(keys), NUM_TURNS, len(self._lines)))
        for row, (text, (_, turns)) in enumerate(zip(read, keys, strict=True)):
            for place, name in enumerate(mentioned(text, STEM)[:NUM_MENTIONS]):
                mentions[row, place, self._relations.index(name)] = 1.0
            for place, line in enumerate(turns[::-1][:NUM_TURNS]):
                followed[row, place, self._lines.index(line)] = 1.0
        parts = [part.reshape(len(keys), -1) for part in (shares, mentions, followed)]
        return np.concatenate(parts, axis=1).astype(np.float32)


@lru_cache(maxsize=2)
def _model(walks: tuple[Walk, ...], lines: tuple[str, ...]) -> NextRelation:
    """Returns the classifier that learned from walks."""
    return NextRelation(walks, lines, *SHOWN_SETTING)
