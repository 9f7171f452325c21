"""Candidates copied from the prompt, beside the model's most likely next tokens.

Knows nothing of tasks, actions or rewards.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from lm_envs.envs.actions.pointer import NO_TOKEN, Pointer
from lm_envs.model.engine import Engine, Outputs

FIRST, COPIED, SPARE, NEVER = range(4)
"""Classes in which tokens become candidates, the first class first, while there are places left."""


class TokenColumns(NamedTuple):
    """Tokens of N rows: ids, log-probabilities in nats, the pointer's weights; (N, M) each."""

    ids: np.ndarray
    logprobs: np.ndarray
    shares: np.ndarray

    def first(self, count: int, keys: tuple[np.ndarray, ...]) -> "TokenColumns":
        """Returns the first `count` of each row by keys (N, M), of which the last counts most."""
        order = np.lexsort(keys, axis=1)[:, :count]
        return TokenColumns(*(np.take_along_axis(column, order, 1) for column in self))


class CopyCandidates:
    """Outputs of an engine with K candidates: k most likely next tokens, the rest from the prompt.

    From the prompt come the tokens with the largest pointer weights that are not among the k most
    likely ones. If a prompt has too few, the model's next most likely tokens fill the places. All
    candidates are ordered by likelihood, ties by id, and the end token is among them.

    Args:
        engine: The engine, with K = k + `num_copies` candidates.
        pointer: Weighs the tokens of the prompts.
        num_copies: Tokens of the prompt among the candidates.
    """

    def __init__(self, engine: Engine, pointer: Pointer, num_copies: int) -> None:
        self._engine, self._pointer, self._num_copies = engine, pointer, num_copies
        self._source = self._outputs = engine.outputs
        self._shares = np.zeros_like(self._source.logprobs)

    @property
    def outputs(self) -> Outputs:
        """The engine's current outputs, with other candidates (N, K)."""
        self._update()
        return self._outputs

    @property
    def shares(self) -> np.ndarray:
        """(N, K) float32 share of the pointer's weight that each candidate has, in [0, 1]."""
        self._update()
        return self._shares

    def _update(self) -> None:
        """Selects the candidates, once for each output of the engine."""
        source = self._engine.outputs
        if source is self._source:
            return
        ids, shares = self._pointer.shares()  # (N, W) each
        own = TokenColumns(ids, self._engine.logprobs_of(np.maximum(ids, 0)), shares)
        is_same = source.candidates[:, :, None] == ids[:, None, :]  # (N, K, W)
        shares_of_best = np.where(is_same, shares[:, None, :], 0.0).max(2, initial=0.0)
        best = TokenColumns(source.candidates, source.logprobs, shares_of_best)
        own_class = np.where(is_same.any(1) | (ids == NO_TOKEN), NEVER, COPIED)
        classes = np.hstack([self._classes_of_best(source, is_same.any(2)), own_class])
        tokens = TokenColumns(*(np.hstack(pair) for pair in zip(best, own, strict=True)))
        worth = np.where(classes == COPIED, tokens.shares, tokens.logprobs)
        chosen = tokens.first(best.ids.shape[1], (tokens.ids, -worth, classes))
        chosen = chosen.first(best.ids.shape[1], (chosen.ids, -chosen.logprobs))
        self._source, self._shares = source, chosen.shares
        self._outputs = replace(source, candidates=chosen.ids, logprobs=chosen.logprobs)

    def _classes_of_best(self, source: Outputs, is_in_prompt: np.ndarray) -> np.ndarray:
        """Returns classes (N, K) of the engine's candidates, of which some are in the prompt.

        The end token and the k - 1 best others come first.
        """
        is_end = source.candidates == self._engine.end_token
        num_best = is_in_prompt.shape[1] - self._num_copies
        is_first = is_end | (np.cumsum(~is_end, axis=1) < num_best)
        return np.where(is_first, FIRST, np.where(is_in_prompt, COPIED, SPARE))
