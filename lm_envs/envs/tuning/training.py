"""Training by given settings: rows that each train a model, judged by held-out passages."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from lm_envs.envs.actions.checks import check_points
from lm_envs.envs.tuning.passages import Passages
from lm_envs.envs.tuning.tuner import LARGEST_FALL, LOSS_DECIMALS, Tuner
from lm_envs.model.base import LanguageModel
from lm_envs.model.loading import DTYPES
from lm_envs.model.trainable_model import FinetunedModel, OptimizerStep

STOP, RATE, DECAY = range(3)
"""Positions in an action; after them one for each layer, which is frozen if it is over 0."""

STOPPING = 0.5
"""Training ends if the action's first number is over this: random actions seldom end it."""

MIDDLE_RATE = 3.0e-4
DECADES = 1.0
"""The learning rate is `MIDDLE_RATE` times 10 to the power of `DECADES` times the action."""

MOST_DECAY = 0.1
BATCH = 8
"""Passages in a step of the optimizer."""

LARGEST_NORM = 100.0
"""Bound of the gradient's norm in observations."""


class TrainingTuner(Tuner):
    """A `Tuner` that trains a model of its own in each row.

    Args:
        num_rows: N.
        folder: Checkpoint that all rows start from.
        model: The same checkpoint as a network, for its shape and its device.
        optimiser_steps: Optimizer steps in one step of the environment.
        price: Cost of one step with no layer frozen, nats a token.
    """

    def __init__(
        self, num_rows: int, folder: Path, model: LanguageModel, optimiser_steps: int, price: float
    ) -> None:
        super().__init__(num_rows)
        if model.kernels.is_row_invariant and model.device.type != "cpu":
            raise ValueError(
                f"Got deterministic=True for training on {model.device}; allowed: device='cpu'."
            )
        config = model.config
        is_bfloat16 = model.dtype == DTYPES["bfloat16"]
        self._models = [
            FinetunedModel(folder, model.device, bfloat16=is_bfloat16, num_tokens=config.vocab_size)
            for _ in range(num_rows)
        ]
        self._optimiser_steps, self._price = optimiser_steps, price
        width, layers = config.hidden_size, config.num_layers
        layer_size = config.attention_weights + config.mlp_weights
        self._layer_share = layer_size / (layers * layer_size + config.vocab_size * width)
        self._size = DECAY + 1 + layers
        frozen = [f"freeze layer {layer}" for layer in range(layers)]
        self.action_names = ["stop", "learning rate", "weight decay", *frozen]
        self.space: gym.Space[Any] = gym.spaces.Box(-1.0, 1.0, (self._size,), np.float32)
        fall, ones = np.full(1, LARGEST_FALL), np.ones(self._size)
        self.columns = {
            "loss_fall": (-fall, fall),
            "training_loss_fall": (-fall, fall),
            "gradient_norm": (np.zeros(1), np.full(1, LARGEST_NORM)),
            "last_action": (-ones, ones),
        }
        self.plans: Mapping[str, Sequence[np.ndarray]] = {"as it is": [self._stop()]} | {
            f"rate {_rate(x):.1e}, {times} times": [*[self._go(x)] * times, self._stop()]
            for x in (-0.5, 0.0, 0.5)
            for times in (1, 2, 4)
        }
        self._order = np.zeros(num_rows, np.int64)  # optimizer steps so far
        self._first_learned, self._learned, self._norms, self._cost = np.zeros((4, num_rows))
        self._last = np.zeros((num_rows, self._size), np.float32)

    def check(self, actions: np.ndarray, active: np.ndarray) -> np.ndarray:
        """Returns points (N, 3 + L) float32; 0 where `active` is False."""
        return check_points(actions, active, (self._size,))

    def adjust(self, rows: np.ndarray, actions: np.ndarray) -> list[str]:
        """Trains each row with its action's settings; describes each step."""
        self._last[rows] = actions
        self.stopped[rows] = actions[:, STOP] > STOPPING
        return [
            self._train(row, action) for row, action in zip(rows.tolist(), actions, strict=True)
        ]

    def observe(self) -> np.ndarray:
        """Returns falls of the held-out and of the training loss, gradient norm, last action.

        The training loss is the mean of the batch losses of the last optimizer steps; its fall is
        from the loss of all training passages before the first step.
        """
        fall, learned = self._first - self._now, self._learned
        return np.concatenate(
            [np.stack([fall, learned, self._norms], 1), self._last], 1, dtype=np.float32
        )

    def scores(self) -> dict[str, np.ndarray]:
        """Returns the held-out `loss`, nats a token, `cost`, and the potential, `reward`."""
        potentials = self._first - self._now - self._price * self._cost
        return {"reward": potentials, "loss": self._now.copy(), "cost": self._cost.copy()}

    def _go(self, rate: float) -> np.ndarray:
        """Returns the action that trains at a rate, without weight decay or frozen layers."""
        action = np.full(self._size, -1.0, np.float32)
        action[RATE] = rate
        return action

    def _stop(self) -> np.ndarray:
        return np.eye(1, self._size, STOP, dtype=np.float32)[0]

    def _train(self, row: int, action: np.ndarray) -> str:
        if self.stopped[row]:
            return "stop\n"
        settings = OptimizerStep(
            _rate(float(action[RATE])),
            MOST_DECAY * (float(action[DECAY]) + 1.0) / 2.0,
            action[DECAY + 1 :] > 0.0,
        )
        self._cost[row] += 1.0 - self._layer_share * settings.frozen.sum() / 3.0
        losses = [self._step(row, settings) for _ in range(self._optimiser_steps)]
        self._learned[row] = self._first_learned[row] - np.mean([loss for loss, _ in losses])
        self._norms[row] = losses[-1][1]
        self._measure(np.array([row]))
        frozen = np.flatnonzero(settings.frozen).tolist()
        held = f", layers {frozen} frozen" if frozen else ""
        return f"rate {settings.learning_rate:.1e}{held}: loss {self._now[row]:.3f}\n"

    def _step(self, row: int, settings: OptimizerStep) -> tuple[float, float]:
        """Trains on the next passages of a row, in order, then from the first again.

        Returns:
            Loss of the batch, nats a token, and norm of the gradient.
        """
        passages, _ = self._roles(row)
        size = len(passages.tokens)
        first = int(self._order[row]) * BATCH
        chosen = [place % size for place in range(first, first + min(BATCH, size))]
        self._order[row] += 1
        texts = [passages.tokens[place] for place in chosen]
        return self._models[row].step(texts, [passages.starts[place] for place in chosen], settings)

    def _restore(self, rows: Sequence[int]) -> None:
        for values in (self._order, self._learned, self._norms, self._cost, self._last):
            values[rows] = 0
        for row in rows:
            self._models[row].restore()
            learned, _ = self._roles(row)
            self._first_learned[row] = self._models[row].loss(learned.tokens, learned.starts)

    def _measure(self, rows: np.ndarray) -> None:
        for row in rows.tolist():
            _, judged = self._roles(row)
            self._now[row] = self._loss(row, judged)

    def _roles(self, row: int) -> tuple[Passages, Passages]:
        """Returns the passages that a row learns, and those whose loss is the measure."""
        return self.passages_of(row).halves()

    def _loss(self, row: int, passages: Passages) -> float:
        """Returns the loss of passages under a row's model, nats a token."""
        return round(self._models[row].loss(passages.tokens, passages.starts), LOSS_DECIMALS)


def _rate(action: float) -> float:
    """Returns the learning rate for an action in [-1, 1]."""
    return MIDDLE_RATE * 10.0 ** (DECADES * action)
