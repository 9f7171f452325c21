"""Texts that a reader proposes, as tokens: how they go on after what is written.

Owns the columns of the candidates and the memory of what was read. Knows no reader, no policy and
no reward.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, Generic, TypeVar

import numpy as np

from lm_envs.envs.episode_buffer import EpisodeBuffer
from lm_envs.envs.observations.factory import View
from lm_envs.envs.observations.features import Bounds
from lm_envs.lru import LRUCache
from lm_envs.model.engine import Outputs

T = TypeVar("T")

CACHE_BYTES, ENTRY_BYTES = 64 * 2**20, 400
"""Memory of the stored readings, and of an entry beside its arrays."""

COMPARED = 3
"""Last tokens that `aligned` compares."""


class CandidateReadings(ABC, Generic[T]):
    """Columns of K candidates from what a reader finds in an example, which is read once.

    `T` is a dataclass of arrays: what is found in an example.

    Args:
        view: What the observation is made from.
        names: Of the C columns, K numbers from 0 to 1 each.

    Attributes:
        columns: Bounds of the columns by name.
    """

    def __init__(self, view: View, names: Sequence[str]) -> None:
        count = view.actions.num_candidates
        self._readings = LRUCache[int, T](CACHE_BYTES, _num_bytes)
        self.columns: Mapping[str, Bounds] = {
            name: (np.zeros(count), np.ones(count)) for name in names
        }

    def encode(self, outputs: Outputs, episodes: EpisodeBuffer) -> np.ndarray:
        """Returns (N, C K)."""
        indices = [example.index for example in episodes.examples]
        found = self._readings.get_or_compute(
            indices, lambda places: [self.read(indices[place]) for place in places]
        )
        shape = (len(indices), len(self.columns), outputs.candidates.shape[1])
        columns = np.zeros(shape, np.float32)
        for row, readings in enumerate(found):
            written = episodes.tokens[row, : episodes.counts[row]]
            columns[row] = self.columns_of(readings, written, outputs.candidates[row])
        return columns.reshape(len(indices), -1)

    @abstractmethod
    def read(self, index: int) -> T:
        """Returns what is found in an example; in a caller's own prompt, of index -1, nothing."""

    @abstractmethod
    def columns_of(self, readings: T, written: np.ndarray, candidates: np.ndarray) -> np.ndarray:
        """Returns the columns (C, K) of candidates (K,) after what is written (S,)."""


def padded(texts: Sequence[np.ndarray], end_token: int) -> np.ndarray:
    """Returns the tokens of texts (R, T), each with one end token or more behind it."""
    width = max(map(len, texts), default=0) + 1
    found = np.full((len(texts), width), end_token, np.int64)
    for row, ids in enumerate(texts):
        found[row, : len(ids)] = ids
    return found


def continuations(tokens: np.ndarray, written: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns which texts differ in the fewest tokens from what is written, and how they go on.

    Args:
        tokens: (R, T) of one text or more, as `padded` returns them.
        written: (S,).

    Returns:
        Whether a text counts (R,), and the next token of each that does.
    """
    place = min(len(written), tokens.shape[1] - 1)
    wrong = (tokens[:, :place] != written[:place]).sum(1)
    kept = wrong == wrong.min()
    return kept, tokens[kept, place]


def aligned(tokens: np.ndarray, written: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns how each text goes on after the place that ends as the written text does.

    The place with the most tokens before it that are the last ones written, up to `COMPARED`, and
    of such places the one nearest to the number of tokens written. A token too many or too few does
    not lose the place.

    Args:
        tokens: (R, T) of one text or more, as `padded` returns them.
        written: (S,).

    Returns:
        How many of the last tokens agree (R,), and the next token of each text (R,).
    """
    count, width = len(written), tokens.shape[1]
    agreed = np.zeros(tokens.shape, np.int64)
    agrees = np.ones(tokens.shape, bool)
    for back in range(1, min(COMPARED, count, width - 1) + 1):
        agrees[:, :back] = False
        agrees[:, back:] &= tokens[:, : width - back] == written[count - back]
        agreed += agrees
    nearness = -np.abs(np.arange(width) - count)
    places = (agreed * 2 * width + nearness).argmax(1)
    rows = np.arange(len(tokens))
    return agreed[rows, places], tokens[rows, places]


def _num_bytes(_: int, readings: Any) -> int:  # noqa: ANN401 - a dataclass of arrays
    return ENTRY_BYTES + sum(getattr(readings, each.name).nbytes for each in fields(readings))
