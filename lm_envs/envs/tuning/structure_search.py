"""`lm_envs/StructureSearch-v0`: remove heads and MLPs of a language model."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np

from lm_envs.envs.actions.checks import check_discrete
from lm_envs.envs.single_env import RowEnv
from lm_envs.envs.tuning.base import TuningVectorEnv
from lm_envs.envs.tuning.passages import Passages
from lm_envs.envs.tuning.scaling import ScaledModelSpec, ScaledTuner
from lm_envs.envs.tuning.tuner import LARGEST_FALL
from lm_envs.model.base import LanguageModel
from lm_envs.validation import check_number

STOP = 0
"""The action that ends an episode; action 1 + a removes part a."""

GAINS, IS_LEFT = "gain_alone", "is_left"
"""Columns of an observation that hold one number for each part."""

CACHE_SIZE = 2**17
"""Losses that are kept: search tries the same sets of parts again and again."""


class StructureTuner(ScaledTuner):
    """A `Tuner` that removes heads and perceptrons (MLPs).

    Args:
        num_rows: N.
        model: The network.
        price: Reward for saving all multiplications of the blocks, nats a token.
        ruin: Rise of the loss that ends an episode, nats a token.
        probes: Whether observations show what each part alone is worth to the row's passages.
    """

    def __init__(
        self, num_rows: int, model: LanguageModel, price: float, ruin: float, probes: bool
    ) -> None:
        config = model.config
        super().__init__(num_rows, model, CACHE_SIZE)
        layers, per_layer = self._losses.shape
        own = [*(f"head {head}" for head in range(per_layer - 1)), "perceptron"]
        self._names = [f"{name} of layer {layer}" for layer in range(layers) for name in own]
        head_cost = config.attention_weights // config.num_heads
        mlp_cost = config.mlp_weights
        self._costs = np.tile(
            [head_cost] * config.num_heads + [mlp_cost], layers
        )  # (P,) multiplications
        self._price, self._ruin = price, ruin
        num_parts = len(self._names)
        self.space: gym.Space[Any] = gym.spaces.Discrete(1 + num_parts)
        self.action_names = ["stop", *(f"remove {name}" for name in self._names)]
        widest = np.full(num_parts, LARGEST_FALL + abs(price))
        fall = np.full(1, LARGEST_FALL)
        self.columns = {
            **({GAINS: (-widest, widest)} if probes else {}),
            IS_LEFT: (np.zeros(num_parts), np.ones(num_parts)),
            "loss_fall": (-fall, fall),
            "saved": (np.zeros(1), np.ones(1)),
        }
        self._gains = np.zeros((num_rows, num_parts if probes else 0))
        self.plans: Mapping[str, Sequence[np.ndarray]] = {"as it is": [np.array(STOP)]}
        self._is_left = np.ones((num_rows, num_parts), bool)

    def check(self, actions: np.ndarray, active: np.ndarray) -> np.ndarray:
        """Returns actions (N,) int64; 0 where `active` is False."""
        return check_discrete(actions, active, 1 + len(self._names), "to stop, or a part")

    def adjust(self, rows: np.ndarray, actions: np.ndarray) -> list[str]:
        """Removes a part in each row, or stops it; describes what was done."""
        acting, parts = rows[actions != STOP], actions[actions != STOP] - 1
        self._is_left[acting, parts] = False
        self._measure(acting)
        is_ruined = self._now[rows] - self._first[rows] >= self._ruin
        self.stopped[rows] = (actions == STOP) | is_ruined
        pairs = zip(rows.tolist(), actions.tolist(), strict=True)
        return [self._description(row, action) for row, action in pairs]

    def observe(self) -> np.ndarray:
        """Returns (N, P + 2): which parts are left, the fall of the loss, the share saved.

        With probes (N, 2 P + 2): before them, by how much the removal of each part alone raises
        the potential of the unchanged model.
        """
        rest = np.stack([self._first - self._now, self._saved(self._is_left)], 1)
        return np.concatenate([self._gains, self._is_left, rest], 1).astype(np.float32)

    def begin(self, rows: Sequence[int], passages: Sequence[Passages]) -> None:
        """Starts `rows` with the unchanged model; removes each part once if there are probes."""
        super().begin(rows, passages)
        if self.has_probes:
            count = self._gains.shape[1]
            models = (
                self._without(row, without)
                for row in rows
                for without in ~np.eye(count, dtype=bool)
            )
            rises = self._losses.get(list(models)).reshape(-1, count) - self._first[rows, None]
            self._gains[rows] = self._price * self._costs / self._costs.sum() - rises

    @property
    def has_probes(self) -> bool:
        """Whether observations show what each part alone is worth."""
        return self._gains.shape[1] > 0

    def expected_gains(self) -> np.ndarray:
        """Returns by how much each removal raises the potential, if parts add up, (N, P).

        -inf for parts that are removed already.

        Raises:
            ValueError: Without probes.
        """
        if not self.has_probes:
            raise ValueError("Got no probes; make the environment with probes=True.")
        return np.where(self._is_left, self._gains, -np.inf)

    def scores(self) -> dict[str, np.ndarray]:
        """Returns `loss`, nats a token, `saved`, and the potential of both, `reward`."""
        saved = self._saved(self._is_left)
        potentials = self._potentials(self._first, self._now, saved)
        return {"reward": potentials, "loss": self._now.copy(), "saved": saved}

    def masks(self) -> np.ndarray:
        """Returns (N, 1 + P): to stop is always valid, to remove a part while it is left."""
        return np.concatenate([np.ones((len(self._is_left), 1), bool), self._is_left], 1)

    def rule_policies(self) -> Mapping[str, Callable[[], np.ndarray]]:
        """Returns greedy search on the episode's own passages."""
        return {"each part tried": self.best}

    def best(self) -> np.ndarray:
        """Returns actions (N,) that raise the potential most on the row's passages; or STOP."""
        actions = np.full(len(self._is_left), STOP)
        for row, left in enumerate(self._is_left):
            parts = np.flatnonzero(left)
            if not len(parts):
                continue
            without = np.repeat(left[None], len(parts), 0)
            without[np.arange(len(parts)), parts] = False
            losses = self._losses.get([self._without(row, each) for each in without])
            potentials = self._potentials(self._first[row], losses, self._saved(without))
            if potentials.max() > self.scores()["reward"][row]:
                actions[row] = 1 + parts[potentials.argmax()]
        return actions

    def _potentials(self, first: np.ndarray, now: np.ndarray, saved: np.ndarray) -> np.ndarray:
        return np.maximum(first - now, -self._ruin) + self._price * saved

    def _saved(self, is_left: np.ndarray) -> np.ndarray:
        """Returns the share (R,) of the blocks' multiplications that models (R, P) save."""
        return (~is_left * self._costs).sum(1) / self._costs.sum()

    def _restore(self, rows: Sequence[int]) -> None:
        self._is_left[rows] = True

    def _spec(self, row: int) -> ScaledModelSpec:
        return self._without(row, self._is_left[row])

    def _without(self, row: int, is_left: np.ndarray) -> ScaledModelSpec:
        """Returns the model that keeps these parts (P,), with the row's passages."""
        scales = is_left.reshape(self._losses.shape).astype(np.float32)
        return ScaledModelSpec(self.passages_of(row), scales)

    def _description(self, row: int, action: int) -> str:
        if action == STOP:
            return "stop\n"
        return f"without {self._names[action - 1]}: loss {self._now[row]:.3f}\n"


class StructureSearchVectorEnv(TuningVectorEnv):
    """`StructureSearchEnv` with N rows.

    Args:
        num_envs: N.
        price: Reward for saving all multiplications of the blocks, nats a token.
        ruin: Rise of the loss that ends an episode, nats a token.
        probes: Whether observations show what each part alone is worth.
        arguments: Of `TuningVectorEnv`, such as `task`, `passages` and `adjustments`.
    """

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
        probes: bool = False,
        **arguments: Any,  # noqa: ANN401 - of TuningVectorEnv
    ) -> None:
        check_number("price", price)
        check_number("ruin", ruin)
        if ruin <= 0.0:
            raise ValueError(f"Got ruin={ruin!r}; allowed: a number over 0, nats a token.")
        super().__init__(
            num_envs,
            lambda model, folder: StructureTuner(num_envs, model, price, ruin, probes),
            task=task,
            passages=passages,
            adjustments=adjustments,
            **arguments,
        )

    def oracle_actions(self) -> np.ndarray:
        """Returns actions (N,) of a search on the very passages that the rows are evaluated on."""
        return self.tuner.best()


class StructureSearchEnv(RowEnv):
    """Remove heads and perceptrons (MLPs) that a language model hardly needs.

    Passages, information, shared arguments and the vectorized environment: see `TuningVectorEnv`.

    ## Description
    Each layer adds the outputs of its attention heads and of its perceptron to the hidden
    state. Each step removes one of these parts, and the loss of the episode's passages is computed
    without it. A removed part saves multiplications and may raise the loss.

    ## Action Space
    `Discrete(1 + P)`, P = L (H + 1): 0 stops; 1 + a removes part a. Parts are numbered layer by
    layer, the heads before the perceptron. To remove a part again has no effect; `action_masks()`
    excludes it.

    ## Observation Space
    `Box(P + 3,)`: which parts are left (P), by how much the loss has fallen, nats a token, the
    share of the blocks' multiplications that is saved, and the share of adjustments left. With
    `probes=True` `Box(2 P + 3,)`: before them, by how much the removal of each part alone raises
    the potential, nats a token, which differs from passage to passage.
    Source: importance of heads, Michel et al. 2019, https://arxiv.org/abs/1905.10650.

    ## Rewards
    By how much this step raised the potential: the fall of the loss, nats a token, plus `price`
    times the share of multiplications saved. A head of the embedded model saves 2.1 % of them, a
    perceptron 16.7 %. A loss that has risen by more than `ruin` counts as risen by `ruin`.

    ## Starting State
    The unchanged model.

    ## Episode End
    Terminates when the agent stops, when the loss has risen by `ruin`, and after `adjustments`
    steps. Truncates after `max_steps`.

    ## Arguments
    Those of `TuningVectorEnv`; `price` and `ruin`, nats a token; `probes`. `scores`: `reward`,
    `loss`, `saved`.

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
