"""Words of the prompt beside the model's best: what can be copied though nobody proposes it.

Knows nothing of tasks, actions or rewards.
"""

from dataclasses import replace

import numpy as np

from lm_envs.envs.pointer import NO_WORD, Pointer
from lm_envs.model.engine import Engine, Outputs

FIRST, COPIED, SPARE, NEVER = range(4)
"""In which order words become candidates, while there is room."""


class CopiedWords:
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
        best, (own, shares) = said.candidates, self._pointer.shares()  # (N, K), (N, W) each
        is_same = best[:, :, None] == own[:, None, :]
        is_end = best == self._engine.end_token
        is_first = is_end | (np.cumsum(~is_end, axis=1) < best.shape[1] - self._copies)
        places_of_best = np.where(is_first, FIRST, np.where(is_same.any(2), COPIED, SPARE))
        shares_of_best = np.where(is_same, shares[:, None, :], 0.0).max(2, initial=0.0)
        places_of_own = np.where(is_same.any(1) | (own == NO_WORD), NEVER, COPIED)
        logprobs_of_own = self._engine.logprobs_of(np.maximum(own, 0))
        places = np.hstack([places_of_best, places_of_own])
        both = (
            np.hstack([best, own]),
            np.hstack([said.logprobs, logprobs_of_own]),
            np.hstack([shares_of_best, shares]),
        )
        words, logprobs, shares = both
        worth = np.where(places == COPIED, shares, logprobs)
        chosen = _first(both, (words, -worth, places), best.shape[1])
        words, logprobs, _ = chosen
        words, logprobs, self._shares = _first(chosen, (words, -logprobs), best.shape[1])
        self._said, self._outputs = said, replace(said, candidates=words, logprobs=logprobs)


def _first(
    columns: tuple[np.ndarray, ...], keys: tuple[np.ndarray, ...], count: int
) -> tuple[np.ndarray, ...]:
    """The first `count` entries of each row of some arrays (N, M), by the last key first."""
    order = np.lexsort(keys, axis=1)[:, :count]
    return tuple(np.take_along_axis(column, order, 1) for column in columns)
