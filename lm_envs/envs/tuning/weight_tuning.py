"""`lm_envs/WeightTuning-v0`: scale the heads and MLPs of a language model."""

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np

from lm_envs.envs.actions.checks import check_points
from lm_envs.envs.single_env import RowEnv
from lm_envs.envs.tuning.base import TuningVectorEnv
from lm_envs.envs.tuning.scaling import ScaledModelSpec, ScaledTuner
from lm_envs.envs.tuning.tuner import LARGEST_FALL
from lm_envs.model.base import LanguageModel
from lm_envs.validation import check_choice

STEP = 0.25
"""Largest change of a setting, which lies between -1 and 1, in one step."""

SPAN = 0.5
"""A setting of x is a factor of exp(SPAN x): 0.61 to 1.65."""

PARTS = ("blocks", "heads")
CACHE_SIZE = 2**10
"""Losses that are kept: settings are continuous, so few of them occur again."""


class WeightTuner(ScaledTuner):
    """A `Tuner` with a setting for the temperature and settings for the parts of each layer.

    Args:
        num_rows: N.
        model: The network.
        parts: "blocks", where the heads of a layer share a setting, or "heads".
    """

    def __init__(self, num_rows: int, model: LanguageModel, parts: str) -> None:
        super().__init__(num_rows, model, CACHE_SIZE)
        layers, per_layer = self._losses.shape
        self._is_shared = parts == "blocks"
        own = ["heads"] if self._is_shared else [f"head {head}" for head in range(per_layer - 1)]
        self._names = [f"{layer}.{name}" for layer in range(layers) for name in (*own, "mlp")]
        self._num_settings = 1 + len(self._names)
        self.action_names = ["temperature", *self._names]
        self.space: gym.Space[Any] = gym.spaces.Box(-1.0, 1.0, (self._num_settings,), np.float32)
        bound = np.append(np.ones(self._num_settings), [LARGEST_FALL] * 2).astype(np.float32)
        self.bounds = (-bound, bound)
        self.columns = {
            "settings": slice(0, self._num_settings),
            "first loss": slice(self._num_settings, len(bound) - 1),
            "fall of the loss": slice(len(bound) - 1, len(bound)),
        }
        nothing = np.zeros(self._num_settings, np.float32)
        warmer = np.eye(1, self._num_settings, dtype=np.float32)[0]
        self.plans: Mapping[str, Sequence[np.ndarray]] = {
            "as it is": [nothing],
            **{
                f"temperature {np.exp(SPAN * STEP * turns):.2f}": [*[warmer] * turns, nothing]
                for turns in (1, 2, 3, 4)
            },
        }
        self._settings = np.zeros((num_rows, self._num_settings), np.float32)

    def check(self, actions: np.ndarray, active: np.ndarray) -> np.ndarray:
        """Returns points (N, K) float32; 0 where `active` is False."""
        return check_points(actions, active, (self._num_settings,))

    def adjust(self, rows: np.ndarray, actions: np.ndarray) -> list[str]:
        """Changes each setting by `STEP` times its action; describes the largest setting."""
        self._settings[rows] = (self._settings[rows] + STEP * actions).clip(-1.0, 1.0)
        self._measure(rows)
        return [self._description(row) for row in rows.tolist()]

    def observe(self) -> np.ndarray:
        """Returns (N, K + 2): the settings, the first loss, its fall since then, nats a token."""
        losses = np.stack([self._first, self._first - self._now], 1)
        return np.concatenate([self._settings, losses], 1).astype(np.float32)

    def scores(self) -> dict[str, np.ndarray]:
        """Returns `loss`, nats a token, and `reward`, by how much it has fallen."""
        return {"reward": self._first - self._now, "loss": self._now.copy()}

    def _restore(self, rows: Sequence[int]) -> None:
        self._settings[rows] = 0.0

    def _spec(self, row: int) -> ScaledModelSpec:
        factors = np.exp(SPAN * self._settings[row])
        layers, per_layer = self._losses.shape
        scales = factors[1:].reshape(layers, -1)
        if self._is_shared:
            scales = np.repeat(scales, [per_layer - 1, 1], axis=1)
        return ScaledModelSpec(
            self.passages_of(row), np.ascontiguousarray(scales), float(factors[0])
        )

    def _description(self, row: int) -> str:
        factors = np.exp(SPAN * self._settings[row])
        farthest = int(np.abs(self._settings[row, 1:]).argmax())
        part = f"{self._names[farthest]} times {factors[1 + farthest]:.2f}"
        return f"temperature {factors[0]:.2f}, {part}: loss {self._now[row]:.3f}\n"


class WeightTuningVectorEnv(TuningVectorEnv):
    """`WeightTuningEnv` with N rows.

    Args:
        num_envs: N.
        parts: "blocks", where the heads of a layer share a setting, or "heads".
        arguments: Of `TuningVectorEnv`, such as `task`, `passages` and `adjustments`.
    """

    def __init__(
        self,
        num_envs: int = 1,
        *,
        task: str = "question_answering",
        passages: int = 16,
        adjustments: int = 8,
        parts: str = "blocks",
        **arguments: Any,  # noqa: ANN401 - of TuningVectorEnv
    ) -> None:
        check_choice("parts", parts, PARTS)
        super().__init__(
            num_envs,
            lambda model, folder: WeightTuner(num_envs, model, parts),
            task=task,
            passages=passages,
            adjustments=adjustments,
            **arguments,
        )


class WeightTuningEnv(RowEnv):
    """Scale the parts of a language model until its loss on some passages is lower.

    Passages, information, shared arguments and the vectorized environment: see `TuningVectorEnv`.

    ## Description
    Each layer adds the outputs of its attention heads and of its MLP to the hidden state.
    The agent scales these outputs and the temperature of the next-token distribution; after each
    step the loss of the episode's passages is computed again.

    ## Action Space
    `Box(-1, 1, (K,))`: change of each setting, in units of 0.25. The first setting is that of the
    temperature; then follow, layer by layer, that of the layer's heads and that of its MLP
    (`parts="blocks"`, K = 1 + 2 L), or one for each head and one for the MLP (`parts="heads"`,
    K = 1 + L (H + 1)). A setting lies between -1 and 1; at x the factor is exp(0.5 x).

    ## Observation Space
    `Box(K + 3,)`: the settings (K), the loss of the unchanged model and by how much the loss has
    fallen since, nats a token, and the share of adjustments left. The first loss differs from
    passage to passage, the more the fewer there are: it tells how far settings have to go.

    ## Rewards
    By how much this step lowered the loss, nats a token. The sum over an episode is by how much the
    loss has fallen in all.

    ## Starting State
    All settings at 0, which is the unchanged model.

    ## Episode End
    Terminates after `adjustments` steps. Truncates after `max_steps`.

    ## Arguments
    Those of `TuningVectorEnv`; `parts`, "blocks" or "heads". `scores`: `reward`, `loss`.

    Example:
        >>> import gymnasium as gym
        >>> import lm_envs
        >>> env = gym.make("lm_envs/WeightTuning-v0", split="validation")
        >>> observation, info = env.reset(seed=0)
        >>> action = env.action_space.sample() * 0
        >>> action[0] = 1.0  # a higher temperature
        >>> observation, reward, terminated, truncated, info = env.step(action)
        >>> reward > 0.1
        True
    """

    def __init__(self, **arguments: Any) -> None:  # noqa: ANN401 - as WeightTuningVectorEnv
        super().__init__(WeightTuningVectorEnv, **arguments)
