"""What a translation memory proposes for a prompt, as columns of the candidates.

Owns the columns. Knows no policy and no reward.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from agents.baselines.rules.memory import Proposal, memory_proposals, written_place
from agents.observations.readings import COMPARED as ALIGNED
from agents.observations.readings import CandidateReadings, aligned, padded
from lm_envs.envs.observations.factory import View
from lm_envs.tasks.completion import CompletionTask

PATH = "agents.observations.memory_readings:MemoryReadings"

PROPOSALS, COMPARED = 8, 64
"""Edited targets of a prompt, and known prompts that are compared with it letter by letter."""

SHARPNESS = 10.0
"""How much a proposal's weight falls with its similarity: by half for 0.07 less."""

COLUMNS = (
    *("candidate_remembered", "candidate_memory", "candidate_similarity", "candidate_left"),
    *("candidate_memory_done", "candidate_prompt_done"),
)

LENGTHS = (2.0, 4.0)
"""Lengths of the memory's text and of the prompt after which the last two columns are 1."""


@dataclass(frozen=True, slots=True)
class EncodedProposals:
    """The proposals for a prompt, R of them with up to T tokens.

    Attributes:
        tokens: (R, T) ids, then the end token; first those of the memory's own text.
        similarities: (R,) from 0 to 1.
        lengths: (2,) tokens of the memory's own text and of the prompt, at least 1.
    """

    tokens: np.ndarray
    similarities: np.ndarray
    lengths: np.ndarray


class MemoryReadings(CandidateReadings[EncodedProposals]):
    """How the proposals of a translation memory go on, for K candidates.

    The memory knows the examples that solved ones are taken from, but never the prompt itself. Its
    proposals are edited targets of the most similar ones; its own text is the most similar proposal
    in which all edits fit. Each goes on after the place that ends as the written text does, see
    `aligned`; those count of which most tokens agree.

    `candidate_remembered` (K): weight of the proposals that go on with the candidate.
    `candidate_memory` (K): for the token of the memory's own text, how far its last tokens agree
    with the written ones, from 1/4 to 1. `candidate_similarity` (K): similarity of the most similar
    proposal that goes on with the candidate. `candidate_left` (K): 1 for a token that the memory's
    own text has more often than the completion. `candidate_memory_done`, `candidate_prompt_done`
    (K): number of tokens written by the length of the memory's own text and of the prompt, less by
    a factor of 2 and 4, at most 1; the same for all candidates.

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
            return EncodedProposals(np.zeros((0, 1), np.int64), np.zeros(0), np.ones(2))
        prompt = self._task.item(self._task.example(index)).prompt
        found = self._proposals(prompt)
        own = written_place(found)
        found = [*found[own : own + 1], *found[:own], *found[own + 1 :]]
        tokens = [self._tokenizer.encode_completion(each.text) for each in found]
        similarities = np.array([each.similarity for each in found])
        lengths = np.array([len(tokens[0]), len(self._tokenizer.encode_completion(prompt))])
        end_token = self._tokenizer.end_token
        return EncodedProposals(padded(tokens, end_token), similarities, np.maximum(lengths, 1))

    def columns_of(
        self, readings: EncodedProposals, written: np.ndarray, candidates: np.ndarray
    ) -> np.ndarray:
        """See `CandidateReadings`."""
        found, tokens = np.zeros((len(COLUMNS), len(candidates))), readings.tokens
        if len(tokens):
            agreed, following = aligned(tokens, written)
            most = min(ALIGNED, len(written))
            is_next = following[:, None] == candidates
            kept = agreed == agreed.max()
            similarities = readings.similarities[kept]
            weights = np.exp(SHARPNESS * (similarities - similarities.max()))
            found[0] = (weights[:, None] * is_next[kept]).sum(0) / weights.sum()
            found[1] = is_next[0] * (1 + agreed[0]) / (1 + most)
            found[2] = (similarities[:, None] * is_next[kept]).max(0)
            own, done = tokens[0, : readings.lengths[0]], written[:, None] == candidates
            found[3] = (own[:, None] == candidates).sum(0) > done.sum(0)
        shares = len(written) / readings.lengths / LENGTHS
        found[4:] = np.minimum(shares, 1.0)[:, None]
        return found


@lru_cache(maxsize=2)  # environments of one process share them
def _proposals(known: tuple[tuple[str, str], ...]) -> Callable[[str], list[Proposal]]:
    return memory_proposals(dict(known), PROPOSALS, COMPARED)
