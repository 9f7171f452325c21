"""`lm_envs/StructureSearch-v0`: take parts out of a language model."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np

from lm_envs.envs.actions.checks import check_discrete
from lm_envs.envs.single_env import RowEnv
from lm_envs.envs.tuning.base import TuningVectorEnv
from lm_envs.envs.tuning.scaling import ScaledModelSpec, ScaledTuner
from lm_envs.envs.tuning.tuner import LARGEST_FALL
from lm_envs.model.base import LanguageModel
from lm_envs.validation import check_number

STOP = 0
"""The action that ends an episode; action 1 + a takes part a out."""

MOST_KNOWN = 2**17


class StructureTuner(ScaledTuner):
    """As `lm_envs.envs.tuning.tuner.Tuner`: which heads and perceptrons are left.

    Args:
        num_rows: N.
        model: The network.
        price: Nats a token that all products of the blocks are worth.
        ruin: Nats a token; where the loss has risen by as many, the episode is over.
    """

    def __init__(self, num_rows: int, model: LanguageModel, price: float, ruin: float) -> None:
        config = model.config
        super().__init__(num_rows, model, MOST_KNOWN)
        layers, per_layer = self._losses.shape
        own = [*(f"head {head}" for head in range(per_layer - 1)), "perceptron"]
        self._names = [f"{name} of layer {layer}" for layer in range(layers) for name in own]
        of_head = 4 * config.hidden_size * config.head_size
        of_perceptron = 2 * config.hidden_size * config.intermediate_size
        self._costs = np.tile(
            [of_head] * config.num_heads + [of_perceptron], layers
        )  # (P,) products
        self._price, self._ruin = price, ruin
        num_parts = len(self._names)
        self.space: gym.Space[Any] = gym.spaces.Discrete(1 + num_parts)
        self.bounds = (
            np.array([*np.zeros(num_parts), -LARGEST_FALL, 0.0], np.float32),
            np.array([*np.ones(num_parts), LARGEST_FALL, 1.0], np.float32),
        )
        self.plans: Mapping[str, Sequence[np.ndarray]] = {"as it is": [np.array(STOP)]}
        self._is_left = np.ones((num_rows, num_parts), bool)

    def check(self, actions: np.ndarray, active: np.ndarray) -> np.ndarray:
        """Actions (N,) int64; 0 where `active` is False."""
        return check_discrete(actions, active, 1 + len(self._names), "to stop, or a part")

    def adjust(self, rows: np.ndarray, actions: np.ndarray) -> list[str]:
        """Takes a part out of each row, or stops it; what was done, in words."""
        acting, parts = rows[actions != STOP], actions[actions != STOP] - 1
        self._is_left[acting, parts] = False
        self._measure(acting)
        is_ruined = self._now[rows] - self._first[rows] >= self._ruin
        self.stopped[rows] = (actions == STOP) | is_ruined
        pairs = zip(rows.tolist(), actions.tolist(), strict=True)
        return [self._told(row, action) for row, action in pairs]

    def observe(self) -> np.ndarray:
        """Which parts are left, by how much the loss has fallen, the share of products saved."""
        rest = np.stack([self._first - self._now, self._saved(self._is_left)], 1)
        return np.concatenate([self._is_left, rest], 1).astype(np.float32)

    def scores(self) -> dict[str, np.ndarray]:
        """The loss, nats a token; the share of products saved; what both are worth."""
        saved = self._saved(self._is_left)
        worth = self._worth(self._first, self._now, saved)
        return {"reward": worth, "loss": self._now.copy(), "saved": saved}

    def masks(self) -> np.ndarray:
        """Parts that are left, and to stop."""
        return np.concatenate([np.ones((len(self._is_left), 1), bool), self._is_left], 1)

    def rule_policies(self) -> Mapping[str, Callable[[], np.ndarray]]:
        """Returns greedy search on the episode's own passages."""
        return {"each part tried": self.best}

    def best(self) -> np.ndarray:
        """Actions (N,) that raise the worth most, each tried on the row's own passages; or STOP."""
        actions = np.full(len(self._is_left), STOP)
        for row, left in enumerate(self._is_left):
            parts = np.flatnonzero(left)
            if not len(parts):
                continue
            without = np.repeat(left[None], len(parts), 0)
            without[np.arange(len(parts)), parts] = False
            losses = self._losses.of([self._without(row, each) for each in without])
            worth = self._worth(self._first[row], losses, self._saved(without))
            if worth.max() > self.scores()["reward"][row]:
                actions[row] = 1 + parts[worth.argmax()]
        return actions

    def _worth(self, first: np.ndarray, now: np.ndarray, saved: np.ndarray) -> np.ndarray:
        return np.maximum(first - now, -self._ruin) + self._price * saved

    def _saved(self, is_left: np.ndarray) -> np.ndarray:
        """Share of the blocks' products that rows (R, P) do without, (R,)."""
        return (~is_left * self._costs).sum(1) / self._costs.sum()

    def _restore(self, rows: Sequence[int]) -> None:
        self._is_left[rows] = True

    def _setting(self, row: int) -> ScaledModelSpec:
        return self._without(row, self._is_left[row])

    def _without(self, row: int, is_left: np.ndarray) -> ScaledModelSpec:
        """A row's setting, were these parts (P,) left."""
        scales = is_left.reshape(self._losses.shape).astype(np.float32)
        return ScaledModelSpec(self.passages_of(row), scales)

    def _told(self, row: int, action: int) -> str:
        if action == STOP:
            return "stop\n"
        return f"without {self._names[action - 1]}: loss {self._now[row]:.3f}\n"


class StructureSearchVectorEnv(TuningVectorEnv):
    """`StructureSearchEnv` with N rows."""

    tuner: StructureTuner

    def __init__(
        self,
        num_envs: int = 1,
        *,
        task: str = "next_word",
        passages: int = 16,
        adjustments: int = 16,
        price: float = 1.0,
        ruin: float = 1.0,
        **arguments: Any,  # noqa: ANN401 - of TuningVectorEnv
    ) -> None:
        check_number("price", price)
        check_number("ruin", ruin)
        if ruin <= 0.0:
            raise ValueError(f"Got ruin={ruin!r}; allowed: a number over 0, nats a token.")
        super().__init__(
            num_envs,
            lambda model, folder: StructureTuner(num_envs, model, price, ruin),
            task=task,
            passages=passages,
            adjustments=adjustments,
            **arguments,
        )


class StructureSearchEnv(RowEnv):
    """Take heads and perceptrons out of a language model that it hardly needs.

    ## Description
    GPT-2 adds up what its attention heads and perceptrons say. Each step takes one of them out; the
    passages of the episode, prompts of a task and how they should go on, are read without it. What
    is taken out saves products, and may be missed.

    ## Action Space
    `Discrete(1 + P)`, P = L (H + 1): 0 stops; 1 + a takes part a out. Parts are counted layer by
    layer, the heads before the perceptron. To take out what is out does nothing; `action_masks()`
    leaves it out.

    ## Observation Space
    `Box(P + 3,)`: which parts are left (P), by how much the loss has fallen, nats a token, the
    share of the blocks' products that is saved, and the share of adjustments left.

    ## Rewards
    By how much this step raised the worth of the model: how far the loss of the passages'
    references has fallen, nats a token, and `price` times the share of products saved. A head of
    the embedded model saves 2.1 % of them, a perceptron 16.7 %. A loss that has risen by `ruin`
    counts as no worse.

    ## Starting State
    The model as it is; passages drawn from the dataset's split. `reset(options={"index": 3})` pins
    them.

    ## Episode End
    Terminates when the agent stops, when the loss has risen by `ruin`, and after `adjustments`
    steps. Truncates after `max_steps`.

    ## Information
    Each step: `text`, what was done so far, and `loss`. At the beginning `prompt`, which says what
    the passages are; at the end `ending` and `scores` (`reward`, `loss`, `saved`), and `prompt`
    again.

    ## Arguments
    `task` and its own arguments, such as `dataset` and `split`; `passages`, how many there are in
    an episode; `adjustments`, `price`, `ruin`, `max_steps`; `model`, `device`, `dtype` and
    `render_mode` as in `LanguageVectorEnv`.

    ## Vectorized environment
    `gymnasium.make_vec("lm_envs/StructureSearch-v0", num_envs=16)` reads the passages of all rows
    together, each by what is left in it; `autoreset_mode` is "next_step", "same_step" or
    "disabled". LossCache are remembered.

    ## Version History
    * v0: first version.

    Example:
        >>> import gymnasium as gym
        >>> import lm_envs
        >>> env = gym.make("lm_envs/StructureSearch-v0")
        >>> observation, info = env.reset(seed=0)
        >>> observation, reward, terminated, truncated, info = env.step(5)
        >>> print(info["text"].split(":")[0])
        without perceptron of layer 0
        >>> reward < -0.5, terminated
        (True, True)
    """

    def __init__(self, **arguments: Any) -> None:  # noqa: ANN401 - as StructureSearchVectorEnv
        super().__init__(StructureSearchVectorEnv, **arguments)
