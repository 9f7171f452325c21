"""Editing: teach a model a few facts by training, without harm to what else it knows."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from lm_envs.envs.tuning.passages import Passages
from lm_envs.envs.tuning.training import LARGEST_NORM, TrainingTuner
from lm_envs.envs.tuning.tuner import LARGEST_FALL


class EditingTuner(TrainingTuner):
    """A `TrainingTuner` that learns the first passages of a group and is judged by them.

    The potential is the fall of their loss, less `harm` times the rise of the loss of the other
    passages, if it rose, less the price.

    Sources: edits that leave other answers as they are, Mitchell et al. 2021 ("drawdown"),
    https://arxiv.org/abs/2110.11309; Meng et al. 2022, https://arxiv.org/abs/2202.05262.

    Args:
        num_rows: N.
        arguments: The others of `TrainingTuner`.
        edits: Passages that are learned, fewer than a group has.
        harm: What a rise of the other passages' loss by one nat a token costs.
    """

    shares_passages = True

    def __init__(
        self,
        num_rows: int,
        *arguments: Any,  # noqa: ANN401 - of TrainingTuner
        edits: int,
        harm: float,
    ) -> None:
        super().__init__(num_rows, *arguments)
        self._edits, self._weight = edits, harm
        self._first_other, self._other, self._last_fall, self._last_rise = np.zeros((4, num_rows))
        change = np.full(1, LARGEST_FALL)
        self.columns = {
            "loss_fall": (-change, change),
            "loss": (np.zeros(1), change),
            "other_rise": (-change, change),
            "last_fall": (-change, change),
            "last_other_rise": (-change, change),
            "log_gradient_norm": (np.zeros(1), np.full(1, np.log1p(LARGEST_NORM))),
            "last_action": self.columns["last_action"],
        }

    def begin(self, rows: Sequence[int], passages: Sequence[Passages]) -> None:
        """See `Tuner`."""
        super().begin(rows, passages)
        self._first_other[rows] = self._other[rows]
        self._last_fall[rows] = self._last_rise[rows] = 0.0

    def observe(self) -> np.ndarray:
        """Returns the columns (N, 6 + (3 + L)) of the class `TrainingControlEnv`."""
        fall, norms = self._first - self._now, np.log1p(self._norms)
        shown = [fall, self._now, self._rise(), self._last_fall, self._last_rise, norms]
        return np.concatenate([np.stack(shown, 1), self._last], 1, dtype=np.float32)

    def scores(self) -> dict[str, np.ndarray]:
        """Returns `loss` of what is learned, `other_rise`, nats a token, `cost`, and `reward`."""
        rise = self._rise()
        harm = self._weight * rise.clip(0.0)
        potentials = self._first - self._now - harm - self._price * self._cost
        return {
            "reward": potentials,
            "loss": self._now.copy(),
            "other_rise": rise,
            "cost": self._cost.copy(),
        }

    def _roles(self, row: int) -> tuple[Passages, Passages]:
        edited, _ = self.passages_of(row).cut(self._edits)
        return edited, edited

    def _measure(self, rows: np.ndarray) -> None:
        loss, other = self._now[rows], self._other[rows]
        super()._measure(rows)
        for row in rows.tolist():
            _, others = self.passages_of(row).cut(self._edits)
            self._other[row] = self._loss(row, others)
        self._last_fall[rows] = loss - self._now[rows]
        self._last_rise[rows] = self._other[rows] - other

    def _rise(self) -> np.ndarray:
        """Returns by how much the loss of the others has risen, (N,) nats a token."""
        return self._other - self._first_other
