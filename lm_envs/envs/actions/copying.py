"""Words of the prompt beside the model's best: what can be copied though nobody proposes it.

Knows nothing of tasks, actions or rewards.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from lm_envs.envs.actions.pointer import NO_WORD, Pointer
from lm_envs.model.engine import Engine, Outputs

FIRST, COPIED, SPARE, NEVER = range(4)
"""In which order words become candidates, while there is room."""


class Words(NamedTuple):
    """Words of N rows: ids, log-probabilities in nats and the pointer's shares, (N, M) each."""

    ids: np.ndarray
    logprobs: np.ndarray
    shares: np.ndarray

    def first(self, count: int, keys: tuple[np.ndarray, ...]) -> "Words":
        """The first `count` of each row by keys (N, M) each, the last of which counts most."""
        order = np.lexsort(keys, axis=1)[:, :count]
        return Words(*(np.take_along_axis(column, order, 1) for column in self))


class CopyCandidates:
    """An engine's outputs, with K candidates: the k best next words, and some of the prompt's.

    Of the prompt are taken those to which a pointer points most and that are not among the k best;
    where it has too few, the model's next best take their places. All stand by likelihood, ties by
    id, and the end of text is among them.

    Args:
        engine: The model, with K = k + `copies` candidates.
        pointer: Points to words of the prompts.
        copies: How many words of the prompt.
    """

    def __init__(self, engine: Engine, pointer: Pointer, copies: int) -> None:
        self._engine, self._pointer, self._copies = engine, pointer, copies
        self._said = self._outputs = engine.outputs
        self._shares = np.zeros_like(self._said.logprobs)

    @property
    def outputs(self) -> Outputs:
        """What the engine said last, with other candidates (N, K)."""
        self._choose()
        return self._outputs

    @property
    def shares(self) -> np.ndarray:
        """(N, K) float32 how much of the pointer's weight each candidate has, in [0, 1]."""
        self._choose()
        return self._shares

    def _choose(self) -> None:
        """Chooses the candidates, once for all that the engine says."""
        said = self._engine.outputs
        if said is self._said:
            return
        ids, shares = self._pointer.shares()  # (N, W) each
        own = Words(ids, self._engine.logprobs_of(np.maximum(ids, 0)), shares)
        is_same = said.candidates[:, :, None] == ids[:, None, :]  # (N, K, W)
        shares_of_best = np.where(is_same, shares[:, None, :], 0.0).max(2, initial=0.0)
        best = Words(said.candidates, said.logprobs, shares_of_best)
        order_of_own = np.where(is_same.any(1) | (ids == NO_WORD), NEVER, COPIED)
        order = np.hstack([self._order_of_best(said, is_same.any(2)), order_of_own])
        words = Words(*(np.hstack(pair) for pair in zip(best, own, strict=True)))
        worth = np.where(order == COPIED, words.shares, words.logprobs)
        chosen = words.first(best.ids.shape[1], (words.ids, -worth, order))
        chosen = chosen.first(best.ids.shape[1], (chosen.ids, -chosen.logprobs))
        self._said, self._shares = said, chosen.shares
        self._outputs = replace(said, candidates=chosen.ids, logprobs=chosen.logprobs)

    def _order_of_best(self, said: Outputs, is_own: np.ndarray) -> np.ndarray:
        """First the end of text and the k - 1 best others; `is_own` (N, K): of the prompt."""
        is_end = said.candidates == self._engine.end_token
        is_first = is_end | (np.cumsum(~is_end, axis=1) < is_own.shape[1] - self._copies)
        return np.where(is_first, FIRST, np.where(is_own, COPIED, SPARE))
