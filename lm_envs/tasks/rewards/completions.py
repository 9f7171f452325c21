"""What scores see: the completions of N rows, side by side, as far as they are written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np


class NextTokenScorer(Protocol):
    """A language model, as far as scores use it."""

    def next_token_logprobs(
        self, sequences: Sequence[np.ndarray], tokens: Sequence[np.ndarray]
    ) -> list[np.ndarray]:
        """Returns the log-probability of one token after each prefix of some sequences.

        Args:
            sequences: Arrays (T,) int64.
            tokens: Arrays (T,) int64: entry j is the token after `sequence[: j + 1]`.

        Returns:
            Arrays (T,) float64, nats.
        """
        ...

    def mean_hidden_states(
        self, sequences: Sequence[np.ndarray], starts: Sequence[int]
    ) -> np.ndarray:
        """Returns the mean of the hidden states from a start to the end of each sequence.

        Args:
            sequences: R arrays (T,) int64.
            starts: R numbers, 0 <= start < T.

        Returns:
            (R, D) float32.
        """
        ...

    @property
    def longest(self) -> int:
        """Most tokens in a sequence."""
        ...


@dataclass(frozen=True, slots=True)
class Completions:
    """N completions.

    Attributes:
        tokens: (N, T) int64; entries at or past a row's length are ignored.
        lengths: (N,) int64, 0 to T.
        logprobs: (N, T) float64 of each token under the frozen model, nats.
        references: (N, R) int64 ids of the references; ignored past a row's reference length.
        reference_lengths: (N,) int64, 0 where there is no reference.
        budget: Most tokens in a completion.
        texts: N completions as text.
        targets: For each row the texts that are right.
        task_scores: The task's own scores, (N,) float64 each.
        prompts: N prompts as text.
        prompt_tokens: N arrays (P,) int64, the prompts' ids.
        columns: For each row the other fields of its example, by name.
        model: The frozen language model; None where there is none.
    """

    tokens: np.ndarray
    lengths: np.ndarray
    logprobs: np.ndarray
    references: np.ndarray
    reference_lengths: np.ndarray
    budget: int
    texts: Sequence[str] = ()
    targets: Sequence[Sequence[str]] = ()
    task_scores: Mapping[str, np.ndarray] = field(default_factory=dict)
    prompts: Sequence[str] = ()
    prompt_tokens: Sequence[np.ndarray] = ()
    columns: Sequence[Mapping[str, Any]] = ()
    model: NextTokenScorer | None = None

    @property
    def is_written(self) -> np.ndarray:
        """(N, T) bool: which entries hold a token."""
        return np.arange(self.tokens.shape[1]) < self.lengths[:, None]
