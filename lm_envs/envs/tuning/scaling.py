"""Tuners that turn a model's parts up, down or off.

Owns losses, which are remembered: the model never changes, only its scales do.
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from lm_envs.envs.tuning.passages import Passages
from lm_envs.envs.tuning.tuner import LOSS_DECIMALS, Tuner
from lm_envs.lru import LRUCache
from lm_envs.model.base import LanguageModel
from lm_envs.model.scaled_gpt2 import ScaledGPT2


class ScaledModelSpec(NamedTuple):
    """How one model is set.

    Attributes:
        passages: That it is judged by.
        scales: (L, H + 1) float32 of its parts; see `ScaledGPT2`.
        temperature: What logits are divided by.
    """

    passages: Passages
    scales: np.ndarray
    temperature: float = 1.0


class LossCache:
    """Mean cross-entropy of passages under scaled models.

    Args:
        model: The network.
        most_known: LossCache that are remembered.
    """

    def __init__(self, model: LanguageModel, most_known: int) -> None:
        self._scaled = ScaledGPT2(model)
        self.shape = self._scaled.shape
        self._known: LRUCache[tuple[int, bytes, float], float] = LRUCache(most_known)

    def of(self, settings: Sequence[ScaledModelSpec]) -> np.ndarray:
        """(R,) float64, nats a token of the references."""
        keys = [(each.passages.index, each.scales.tobytes(), each.temperature) for each in settings]
        return np.array(
            self._known.get_or_compute(keys, lambda places: self._measure(settings, places))
        )

    def _measure(self, settings: Sequence[ScaledModelSpec], places: Sequence[int]) -> list[float]:
        asked = [settings[place] for place in places]
        counts = [len(each.passages.tokens) for each in asked]
        found = self._scaled.losses(
            [tokens for each in asked for tokens in each.passages.tokens],
            [start for each in asked for start in each.passages.starts],
            np.repeat(np.stack([each.scales for each in asked]), counts, 0),
            np.repeat(np.array([each.temperature for each in asked], np.float32), counts),
        )
        parts = np.split(found, np.cumsum(counts)[:-1])
        return [
            round(float(np.average(part, weights=each.passages.sizes)), LOSS_DECIMALS)
            for part, each in zip(parts, asked, strict=True)
        ]


class ScaledTuner(Tuner):
    """What the tuners of scales share.

    Args:
        num_rows: N.
        model: The network.
        most_known: LossCache that are remembered.
    """

    def __init__(self, num_rows: int, model: LanguageModel, most_known: int) -> None:
        super().__init__(num_rows)
        self._losses = LossCache(model, most_known)

    @abstractmethod
    def _setting(self, row: int) -> ScaledModelSpec:
        """How a row's model is set."""

    def _measure(self, rows: np.ndarray) -> None:
        self._now[rows] = self._losses.of([self._setting(row) for row in rows.tolist()])
