"""`lm_envs/WeightTuning-v0`: turn the parts of a language model up or down."""

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
"""How far a knob, which goes from -1 to 1, is turned at most at once."""

SPAN = 0.5
"""A knob at x multiplies by exp(SPAN x): 0.61 to 1.65."""

PARTS = ("blocks", "heads")
MOST_KNOWN = 2**10


class WeightTuner(ScaledTuner):
    """As `lm_envs.envs.tuning.tuner.Tuner`: knobs for the temperature and for what the layers say.

    Args:
        num_rows: N.
        model: The network.
        parts: "blocks", where the heads of a layer share a knob, or "heads".
    """

    def __init__(self, num_rows: int, model: LanguageModel, parts: str) -> None:
        super().__init__(num_rows, model, MOST_KNOWN)
        layers, per_layer = self._losses.shape
        self._is_shared = parts == "blocks"
        own = ["heads"] if self._is_shared else [f"head {head}" for head in range(per_layer - 1)]
        self._names = [f"{layer}.{name}" for layer in range(layers) for name in (*own, "mlp")]
        self._num_knobs = 1 + len(self._names)
        self.space: gym.Space[Any] = gym.spaces.Box(-1.0, 1.0, (self._num_knobs,), np.float32)
        bound = np.append(np.ones(self._num_knobs), LARGEST_FALL).astype(np.float32)
        self.bounds = (-bound, bound)
        nothing = np.zeros(self._num_knobs, np.float32)
        warmer = np.eye(1, self._num_knobs, dtype=np.float32)[0]
        self.plans: Mapping[str, Sequence[np.ndarray]] = {
            "as it is": [nothing],
            **{
                f"temperature {np.exp(SPAN * STEP * turns):.2f}": [*[warmer] * turns, nothing]
                for turns in (1, 2, 3, 4)
            },
        }
        self._knobs = np.zeros((num_rows, self._num_knobs), np.float32)

    def check(self, actions: np.ndarray, active: np.ndarray) -> np.ndarray:
        """Points (N, K) float32; 0 where `active` is False."""
        return check_points(actions, active, (self._num_knobs,))

    def adjust(self, rows: np.ndarray, actions: np.ndarray) -> list[str]:
        """Turns each knob by `STEP` times its action; what is turned farthest now, in words."""
        self._knobs[rows] = (self._knobs[rows] + STEP * actions).clip(-1.0, 1.0)
        self._measure(rows)
        return [self._told(row) for row in rows.tolist()]

    def observe(self) -> np.ndarray:
        """The knobs, and by how much the loss has fallen, nats a token."""
        fall = (self._first - self._now)[:, None]
        return np.concatenate([self._knobs, fall], 1).astype(np.float32)

    def scores(self) -> dict[str, np.ndarray]:
        """The loss, nats a token; the reward is by how much it has fallen."""
        return {"reward": self._first - self._now, "loss": self._now.copy()}

    def _restore(self, rows: Sequence[int]) -> None:
        self._knobs[rows] = 0.0

    def _setting(self, row: int) -> ScaledModelSpec:
        factors = np.exp(SPAN * self._knobs[row])
        layers, per_layer = self._losses.shape
        scales = factors[1:].reshape(layers, -1)
        if self._is_shared:
            scales = np.repeat(scales, [per_layer - 1, 1], axis=1)
        return ScaledModelSpec(
            self.passages_of(row), np.ascontiguousarray(scales), float(factors[0])
        )

    def _told(self, row: int) -> str:
        factors = np.exp(SPAN * self._knobs[row])
        farthest = int(np.abs(self._knobs[row, 1:]).argmax())
        part = f"{self._names[farthest]} times {factors[1 + farthest]:.2f}"
        return f"temperature {factors[0]:.2f}, {part}: loss {self._now[row]:.3f}\n"


class WeightTuningVectorEnv(TuningVectorEnv):
    """`WeightTuningEnv` with N rows."""

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
    """Turn the parts of a language model up or down until it foretells some passages better.

    ## Description
    GPT-2 adds up what its attention heads and perceptrons say. Each of them has a knob, and so has
    the temperature of the words. The agent turns knobs; the passages of the episode, prompts of a
    task and how they should go on, are read anew after each turn.

    ## Action Space
    `Box(-1, 1, (K,))`: by how much to turn each knob, in units of 0.25. The first knob is the
    temperature, then come, layer by layer, that of the layer's heads and that of its perceptron
    (`parts="blocks"`, K = 1 + 2 L), or one for each head and the perceptron's (`parts="heads"`,
    K = 1 + L (H + 1)). A knob stands between -1 and 1; at x it multiplies by exp(0.5 x).

    ## Observation Space
    `Box(K + 2,)`: the knobs (K), by how much the loss has fallen, nats a token, and the share of
    adjustments left.

    ## Rewards
    By how much the loss of the passages' references has fallen by this step, nats a token. The sum
    over an episode is by how much it has fallen altogether.

    ## Starting State
    All knobs at 0, the model as it is; passages drawn from the dataset's split.
    `reset(options={"index": 3})` pins them.

    ## Episode End
    Terminates after `adjustments` steps. Truncates after `max_steps`.

    ## Information
    Each step: `text`, what was done so far, and `loss`. At the beginning `prompt`, which says what
    the passages are; at the end `ending` and `scores` (`reward`, `loss`), and `prompt` again.

    ## Arguments
    `task` and its own arguments, such as `dataset` and `split`; `passages`, how many there are in
    an episode; `adjustments`, `parts`, `max_steps`; `model`, `device`, `dtype` and `render_mode` as
    in `LanguageVectorEnv`.

    ## Vectorized environment
    `gymnasium.make_vec("lm_envs/WeightTuning-v0", num_envs=16)` reads the passages of all rows
    together, each by its own knobs; `autoreset_mode` is "next_step", "same_step" or "disabled".

    ## Version History
    * v0: first version.

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
