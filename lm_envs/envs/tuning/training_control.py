"""`lm_envs/TrainingControl-v0`: decide how a language model is trained, while it is."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from lm_envs.envs.actions.checks import check_points
from lm_envs.envs.single_env import RowEnv
from lm_envs.envs.tuning.base import TuningVectorEnv
from lm_envs.envs.tuning.tuner import LARGEST_FALL, LOSS_DECIMALS, Tuner
from lm_envs.model.base import LanguageModel
from lm_envs.model.loading import DTYPES, INT8
from lm_envs.model.trainable_gpt2 import FinetunedGPT2, OptimizerStep
from lm_envs.validation import check_count, check_number

STOP, RATE, DECAY = range(3)
"""Places in an action; behind them one for each layer, which is frozen where it is over 0."""

STOPPING = 0.5
"""Training ends where the action's first number is over this."""

MIDDLE_RATE = 3.0e-4
DECADES = 1.0
"""The learning rate is `MIDDLE_RATE` times 10 to the power of `DECADES` times the action."""

MOST_DECAY = 0.1
BATCH = 8
"""Passages that a step of the optimizer reads."""

LARGEST_NORM = 100.0


class TrainingTuner(Tuner):
    """As `lm_envs.envs.tuning.tuner.Tuner`: N trainings.

    Args:
        num_rows: N.
        folder: Of the checkpoint that all begin from.
        model: The same, for its shape and its device.
        optimiser_steps: Steps of an optimizer between two decisions.
        price: Nats a token that training between two decisions, nothing frozen, costs.
    """

    def __init__(
        self, num_rows: int, folder: Path, model: LanguageModel, optimiser_steps: int, price: float
    ) -> None:
        super().__init__(num_rows)
        config = model.config
        rounds = model.dtype == DTYPES["bfloat16"]
        self._models = [
            FinetunedGPT2(folder, model.device, bfloat16=rounds) for _ in range(num_rows)
        ]
        self._optimiser_steps, self._price = optimiser_steps, price
        inner, width, layers = config.intermediate_size, config.hidden_size, config.num_layers
        of_layer = 4 * width**2 + 2 * width * inner
        self._layer_share = of_layer / (layers * of_layer + config.vocab_size * width)
        self._size = DECAY + 1 + layers
        self.space: gym.Space[Any] = gym.spaces.Box(-1.0, 1.0, (self._size,), np.float32)
        most = [LARGEST_FALL, LARGEST_FALL, LARGEST_NORM, *np.ones(self._size)]
        least = [-LARGEST_FALL, -LARGEST_FALL, 0.0, *-np.ones(self._size)]
        self.bounds = (np.array(least, np.float32), np.array(most, np.float32))
        self.plans: Mapping[str, Sequence[np.ndarray]] = {"as it is": [self._stop()]} | {
            f"rate {_rate(x):.1e}, {times} times": [*[self._go(x)] * times, self._stop()]
            for x in (-0.5, 0.0, 0.5)
            for times in (1, 2, 4)
        }
        self._order = np.zeros(num_rows, np.int64)  # steps of the optimizer so far
        self._first_learned, self._learned, self._norms, self._cost = np.zeros((4, num_rows))
        self._last = np.zeros((num_rows, self._size), np.float32)

    def check(self, actions: np.ndarray, active: np.ndarray) -> np.ndarray:
        """Points (N, 3 + L) float32; 0 where `active` is False."""
        return check_points(actions, active, (self._size,))

    def adjust(self, rows: np.ndarray, actions: np.ndarray) -> list[str]:
        """Trains each row by its action; how, in words."""
        self._last[rows] = actions
        self.stopped[rows] = actions[:, STOP] > STOPPING
        return [
            self._train(row, action) for row, action in zip(rows.tolist(), actions, strict=True)
        ]

    def observe(self) -> np.ndarray:
        """Falls of the loss on held-out and on learned passages, gradient norm, last action.

        The loss on learned passages is the mean of what the optimizer's last steps began with,
        against that of all of them before the first.
        """
        fall, learned = self._first - self._now, self._learned
        return np.concatenate(
            [np.stack([fall, learned, self._norms], 1), self._last], 1, dtype=np.float32
        )

    def scores(self) -> dict[str, np.ndarray]:
        """The loss of held-out passages, nats a token; trainings paid for; what both are worth."""
        worth = self._first - self._now - self._price * self._cost
        return {"reward": worth, "loss": self._now.copy(), "cost": self._cost.copy()}

    def _go(self, rate: float) -> np.ndarray:
        """The action that trains at a rate, where nothing decays or is frozen."""
        action = np.full(self._size, -1.0, np.float32)
        action[RATE] = rate
        return action

    def _stop(self) -> np.ndarray:
        return np.eye(1, self._size, STOP, dtype=np.float32)[0]

    def _train(self, row: int, action: np.ndarray) -> str:
        if self.stopped[row]:
            return "stop\n"
        rule = OptimizerStep(
            _rate(float(action[RATE])),
            MOST_DECAY * (float(action[DECAY]) + 1.0) / 2.0,
            action[DECAY + 1 :] > 0.0,
        )
        self._cost[row] += 1.0 - self._layer_share * rule.frozen.sum() / 3.0
        losses = [self._step(row, rule) for _ in range(self._optimiser_steps)]
        self._learned[row] = self._first_learned[row] - np.mean([loss for loss, _ in losses])
        self._norms[row] = losses[-1][1]
        self._measure(np.array([row]))
        frozen = np.flatnonzero(rule.frozen).tolist()
        held = f", layers {frozen} frozen" if frozen else ""
        return f"rate {rule.learning_rate:.1e}{held}: loss {self._now[row]:.3f}\n"

    def _step(self, row: int, rule: OptimizerStep) -> tuple[float, float]:
        """One step on the next passages of a row, in order and from the beginning again."""
        passages, _ = self.passages_of(row).halves()
        size = len(passages.tokens)
        first = int(self._order[row]) * BATCH
        chosen = [place % size for place in range(first, first + min(BATCH, size))]
        self._order[row] += 1
        texts = [passages.tokens[place] for place in chosen]
        return self._models[row].step(texts, [passages.starts[place] for place in chosen], rule)

    def _restore(self, rows: Sequence[int]) -> None:
        for values in (self._order, self._learned, self._norms, self._cost, self._last):
            values[rows] = 0
        for row in rows:
            self._models[row].restore()
            learned, _ = self.passages_of(row).halves()
            self._first_learned[row] = self._models[row].loss(learned.tokens, learned.starts)

    def _measure(self, rows: np.ndarray) -> None:
        for row in rows.tolist():
            _, held_out = self.passages_of(row).halves()
            loss = self._models[row].loss(held_out.tokens, held_out.starts)
            self._now[row] = round(loss, LOSS_DECIMALS)


def _rate(action: float) -> float:
    """The learning rate that an action in [-1, 1] stands for."""
    return MIDDLE_RATE * 10.0 ** (DECADES * action)


class TrainingControlVectorEnv(TuningVectorEnv):
    """`TrainingControlEnv` with N rows."""

    def __init__(
        self,
        num_envs: int = 1,
        *,
        task: str = "question_answering",
        passages: int = 64,
        adjustments: int = 8,
        optimiser_steps: int = 4,
        price: float = 0.02,
        dtype: str = "auto",
        **arguments: Any,  # noqa: ANN401 - of TuningVectorEnv
    ) -> None:
        check_count("optimiser_steps", optimiser_steps)
        check_number("price", price)
        check_count("passages", passages, least=2)
        if dtype == INT8:
            raise ValueError("Got dtype='int8' for training; allowed: auto, float32, bfloat16.")
        super().__init__(
            num_envs,
            lambda model, folder: TrainingTuner(num_envs, folder, model, optimiser_steps, price),
            task=task,
            passages=passages,
            adjustments=adjustments,
            dtype=dtype,
            **arguments,
        )


class TrainingControlEnv(RowEnv):
    """Decide how a language model is trained, while it is: rate, decay, frozen layers, the end.

    ## Description
    Each episode trains GPT-2 from its checkpoint on half of some passages, prompts of a task and
    how they should go on, and judges it by the other half. Each step decides about the next
    `optimiser_steps` steps of AdamW, on eight passages each, and they are taken.

    ## Action Space
    `Box(-1, 1, (3 + L,))`: training ends if the first number is over 0.5; the learning rate is
    3e-4 times 10 to the power of the second, the weight decay goes from 0 to 0.1 with the third;
    layer l stays as it is if number 3 + l is over 0.

    ## Observation Space
    `Box(3 + (3 + L) + 1,)`: by how much the loss of the held-out passages has fallen, nats a token,
    and that of those learned from, as the last steps of the optimizer saw it; the gradient's norm,
    at most 100; the last action (3 + L); the share of adjustments left.

    ## Rewards
    By how much this step raised the worth of the training: how far the held-out loss has fallen,
    nats a token, less `price` for each step's training, of which a frozen layer saves the products
    for its own gradient, a third of its share.

    ## Starting State
    The checkpoint; passages drawn from the dataset's split. `reset(options={"index": 3})` pins
    them.

    ## Episode End
    Terminates when the agent ends it, and after `adjustments` steps. Truncates after `max_steps`.

    ## Information
    Each step: `text`, what was done so far, and `loss`. At the beginning `prompt`, which says what
    the passages are; at the end `ending` and `scores` (`reward`, `loss`, `cost`), and `prompt`
    again.

    ## Arguments
    `task` and its own arguments, such as `dataset` and `split`; `passages`, how many there are in
    an episode; `adjustments`, `optimiser_steps`, `price`, `max_steps`; `model`, `device`, `dtype`
    and `render_mode` as in `LanguageVectorEnv`. Weights are float32 in any case, products bfloat16
    where `dtype` is.

    ## Vectorized environment
    `gymnasium.make_vec("lm_envs/TrainingControl-v0", num_envs=8)` trains a model a row, one after
    the other: each takes four times the memory of its weights, and its first weights once more.
    `autoreset_mode` is "next_step", "same_step" or "disabled".

    ## Version History
    * v0: first version.

    Example:
        >>> import gymnasium as gym
        >>> import lm_envs
        >>> env = gym.make("lm_envs/TrainingControl-v0", split="validation")
        >>> observation, info = env.reset(seed=0)
        >>> action = env.action_space.sample() * 0 - 1.0
        >>> action[1] = 0.0  # a rate of 3e-4
        >>> observation, reward, terminated, truncated, info = env.step(action)
        >>> reward > 0.1
        True
    """

    def __init__(self, **arguments: Any) -> None:  # noqa: ANN401 - as TrainingControlVectorEnv
        super().__init__(TrainingControlVectorEnv, **arguments)
