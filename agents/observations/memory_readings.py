"""What a translation memory proposes for a prompt, as columns of the candidates.

Owns the columns. Knows no policy and no reward.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from agents.baselines.rules.memory import Proposal, memory_proposals, written_place
from agents.observations.readings import CandidateReadings, continuations, padded
from lm_envs.envs.observations.factory import View
from lm_envs.tasks.completion import CompletionTask

PATH = "agents.observations.memory_readings:MemoryReadings"

PROPOSALS, COMPARED = 8, 64
"""Edited targets of a prompt, and known prompts that are compared with it letter by letter."""

SHARPNESS = 10.0
"""How much a proposal's weight falls with its similarity: by half for 0.07 less."""

COLUMNS = ("candidate_remembered", "candidate_memory", "candidate_similarity")


@dataclass(frozen=True, slots=True)
class EncodedProposals:
    """The proposals for a prompt, R of them with up to T tokens.

    Attributes:
        tokens: (R, T) ids, then the end token; first those of the memory's own text.
        similarities: (R,) from 0 to 1.
    """

    tokens: np.ndarray
    similarities: np.ndarray


class MemoryReadings(CandidateReadings[EncodedProposals]):
    """How the proposals of a translation memory go on, for K candidates.

    The memory knows the examples that solved ones are taken from, but never the prompt itself. Its
    proposals are edited targets of the most similar ones. Those count that differ in the fewest
    tokens from what is written.

    `candidate_remembered` (K): weight of the proposals that go on with the candidate.
    `candidate_memory` (K): 1 for the token of the memory's own text, which is the most similar
    proposal in which all edits fit. `candidate_similarity` (K): similarity of the most similar
    proposal that goes on with the candidate.

    Args:
        view: What the observation is made from.

    Raises:
        ValueError: If the task shows no solved examples of the split "train".
    """

    def __init__(self, view: View) -> None:
        super().__init__(view, COLUMNS)
        task = view.setup.task
        if not isinstance(task, CompletionTask) or not task.known_answers:
            raise ValueError(
                f"Got MemoryReadings for {type(task).__name__}; allowed: a task with solved "
                'examples of the split "train". Pass shots=3.'
            )
        self._task, self._tokenizer = task, view.setup.tokenizer
        self._proposals = _proposals(tuple(task.known_answers.items()))

    def read(self, index: int) -> EncodedProposals:
        """See `CandidateReadings`."""
        if index < 0:
            return EncodedProposals(np.zeros((0, 1), np.int64), np.zeros(0))
        found = self._proposals(self._task.item(self._task.example(index)).prompt)
        own = written_place(found)
        found = [*found[own : own + 1], *found[:own], *found[own + 1 :]]
        tokens = [self._tokenizer.encode_completion(each.text) for each in found]
        similarities = np.array([each.similarity for each in found])
        return EncodedProposals(padded(tokens, self._tokenizer.end_token), similarities)

    def columns_of(
        self, readings: EncodedProposals, written: np.ndarray, candidates: np.ndarray
    ) -> np.ndarray:
        """See `CandidateReadings`."""
        found = np.zeros((len(COLUMNS), len(candidates)))
        if len(readings.tokens):
            kept, following = continuations(readings.tokens, written)
            similarities = readings.similarities[kept]
            weights = np.exp(SHARPNESS * (similarities - similarities.max()))
            is_next = following[:, None] == candidates
            found[0] = (weights[:, None] * is_next).sum(0) / weights.sum()
            found[1] = is_next[0] & kept[0]
            found[2] = (similarities[:, None] * is_next).max(0)
        return found


@lru_cache(maxsize=2)  # environments of one process share them
def _proposals(known: tuple[tuple[str, str], ...]) -> Callable[[str], list[Proposal]]:
    return memory_proposals(dict(known), PROPOSALS, COMPARED)
