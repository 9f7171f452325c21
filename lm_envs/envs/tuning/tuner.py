"""The base class of tuners: what an adjustment of the model is, and its potential.

Knows nothing of episodes.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np

from lm_envs.envs.observations.features import Bounds
from lm_envs.envs.tuning.passages import Passages

LOSS_DECIMALS = 4
"""Losses are rounded where they are computed, so that all rewards use the same numbers."""

LARGEST_FALL = 20.0
"""Bound of the change of a loss in observations, nats a token."""


class Tuner(ABC):
    """Adjusts the models of N rows and computes their losses.

    Args:
        num_rows: N.

    Attributes:
        space: Action space of one row.
        columns: Bounds of the columns of a row's observation by name, from left to right.
        action_names: Names of the discrete actions, or of the components of a continuous one.
        plans: Open-loop action sequences by name, as baselines; the last action repeats.
        shares_passages: Whether each example begins the passages of one episode, so that episodes
            share examples.
        least_tokens: Fewest tokens of a passage.
        stopped: (N,) bool, whether a row's last action ended its episode.
    """

    shares_passages = False
    least_tokens = 2

    space: gym.Space[Any]
    columns: Mapping[str, Bounds]
    action_names: Sequence[str]
    plans: Mapping[str, Sequence[np.ndarray]]

    def __init__(self, num_rows: int) -> None:
        self.stopped = np.zeros(num_rows, bool)
        self._first, self._now = np.zeros((2, num_rows))  # losses, nats a token
        self._passages: list[Passages | None] = [None] * num_rows

    def begin(self, rows: Sequence[int], passages: Sequence[Passages]) -> None:
        """Starts `rows` with the unchanged model."""
        for row, own in zip(rows, passages, strict=True):
            self._passages[row], self.stopped[row] = own, False
        self._restore(rows)
        self._measure(np.asarray(rows))
        self._first[rows] = self._now[rows]

    def passages_of(self, row: int) -> Passages:
        """Returns the passages that a row is evaluated on.

        Raises:
            gymnasium.error.ResetNeeded: If the row has not begun.
        """
        passages = self._passages[row]
        if passages is None:
            raise gym.error.ResetNeeded("Got no episode yet; call reset() first.")
        return passages

    def masks(self) -> np.ndarray:
        """Returns which discrete actions are valid now, (N, actions) bool.

        Raises:
            ValueError: If the actions are continuous.
        """
        raise ValueError("Got action_masks() of continuous actions; only discrete ones have masks.")

    def rule_policies(self) -> Mapping[str, Callable[[], np.ndarray]]:
        """Returns further baselines: functions by name, each gives N actions."""
        return {}

    @abstractmethod
    def check(self, actions: np.ndarray, active: np.ndarray) -> np.ndarray:
        """Returns checked actions of N rows; raises ValueError for those of `active` rows."""

    @abstractmethod
    def adjust(self, rows: np.ndarray, actions: np.ndarray) -> list[str]:
        """Performs the actions of `rows` (R,); returns a description of each."""

    @abstractmethod
    def observe(self) -> np.ndarray:
        """Returns the observations (N, S) float32, without the share of the budget left."""

    @abstractmethod
    def scores(self) -> dict[str, np.ndarray]:
        """Returns measures of the models, (N,) each; the potential is called `reward`."""

    @abstractmethod
    def _restore(self, rows: Sequence[int]) -> None:
        """Resets the models of `rows`."""

    @abstractmethod
    def _measure(self, rows: np.ndarray) -> None:
        """Computes the losses of the models of `rows`."""
