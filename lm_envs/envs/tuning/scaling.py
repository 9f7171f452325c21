"""Tuners that scale the parts of a model, or remove them.

Owns a cache of losses: the model never changes, only its scales do. Knows nothing of episodes.
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from lm_envs.envs.tuning.passages import Passages
from lm_envs.envs.tuning.tuner import LOSS_DECIMALS, Tuner
from lm_envs.lru import LRUCache
from lm_envs.model.base import LanguageModel
from lm_envs.model.scaled_model import ScaledModel


class ScaledModelSpec(NamedTuple):
    """A scaled model and the passages that it is evaluated on.

    Attributes:
        passages: The passages.
        scales: (L, H + 1) float32 factors of its heads and MLPs; see `ScaledModel`.
        temperature: Divisor of the logits.
    """

    passages: Passages
    scales: np.ndarray
    temperature: float = 1.0


class LossCache:
    """Mean cross-entropy of passages under scaled models.

    Args:
        model: The network.
        size: Number of losses that are kept.

    Attributes:
        shape: (L, H + 1), shape of the scales.
    """

    def __init__(self, model: LanguageModel, size: int) -> None:
        self._scaled = ScaledModel(model)
        self.shape = self._scaled.shape
        self._cache: LRUCache[tuple[int, bytes, float], float] = LRUCache(size)

    def get(self, specs: Sequence[ScaledModelSpec]) -> np.ndarray:
        """Returns the losses (R,) float64 of R models, nats a token of the references."""
        keys = [(each.passages.index, each.scales.tobytes(), each.temperature) for each in specs]
        return np.array(
            self._cache.get_or_compute(
                keys, lambda places: self._compute([specs[place] for place in places])
            )
        )

    def _compute(self, specs: Sequence[ScaledModelSpec]) -> list[float]:
        counts = [len(each.passages.tokens) for each in specs]
        found = self._scaled.losses(
            [tokens for each in specs for tokens in each.passages.tokens],
            [start for each in specs for start in each.passages.starts],
            np.repeat(np.stack([each.scales for each in specs]), counts, 0),
            np.repeat(np.array([each.temperature for each in specs], np.float32), counts),
        )
        parts = np.split(found, np.cumsum(counts)[:-1])
        return [
            round(float(np.average(part, weights=each.passages.sizes)), LOSS_DECIMALS)
            for part, each in zip(parts, specs, strict=True)
        ]


class ScaledTuner(Tuner):
    """Base of tuners that scale parts of one model.

    Args:
        num_rows: N.
        model: The network, shared by all rows.
        cache_size: Number of losses that are kept.
    """

    def __init__(self, num_rows: int, model: LanguageModel, cache_size: int) -> None:
        super().__init__(num_rows)
        self._losses = LossCache(model, cache_size)

    @abstractmethod
    def _spec(self, row: int) -> ScaledModelSpec:
        """Returns the scaled model of a row."""

    def _measure(self, rows: np.ndarray) -> None:
        self._now[rows] = self._losses.get([self._spec(row) for row in rows.tolist()])
