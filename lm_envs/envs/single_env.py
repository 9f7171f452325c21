"""One episode: row 0 of a one-row batch, so there is one set of dynamics to trust."""

import shutil
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode

from lm_envs import rendering
from lm_envs.envs.base import EpisodicVectorEnv
from lm_envs.envs.modes import RENDER_MODES
from lm_envs.envs.reset_options import seeds_for_rows
from lm_envs.envs.rows import index_row, to_python
from lm_envs.envs.snapshots import not_copyable_error
from lm_envs.envs.vector_env import LanguageVectorEnv
from lm_envs.transcript import Transcript
from lm_envs.validation import UnexpectedArgumentError, check_choice, shown


class RowEnv(gym.Env[Any, Any]):
    """A `gymnasium.Env` view of a one-row `EpisodicVectorEnv`.

    The render mode "human" prints the text to the terminal, each token colored by its reward; into
    a pipe or a file it prints no escape codes.
    Copies and pickles are refused: `gymnasium.make(env.spec)` makes another environment, and
    `set_state` restores the episode there.

    Args:
        kind: Class of the one-row environment.
        render_mode: None, "ansi", "rgb_array" or "human".
        arguments: Of that class.

    Attributes:
        batch: The one-row environment.
    """

    metadata = {  # noqa: RUF012 - Gymnasium's name and type
        "render_modes": [*RENDER_MODES, "human"],
        "render_fps": 4,
    }

    def __init__(
        self,
        kind: Callable[..., EpisodicVectorEnv],
        /,
        *,
        render_mode: str | None = None,
        **arguments: Any,  # noqa: ANN401 - of the batch
    ) -> None:
        check_choice("render_mode", render_mode, (None, *RENDER_MODES, "human"))
        if "num_envs" in arguments:
            raise UnexpectedArgumentError(
                "Got num_envs for a single environment; use gymnasium.make_vec(id, num_envs=…), or "
                "lm_envs.sb3.make_language_vec_env(id, n_envs=…) for Stable-Baselines3."
            )
        drawn = "ansi" if render_mode == "human" else render_mode
        self.batch = kind(
            num_envs=1, autoreset_mode=AutoresetMode.DISABLED, render_mode=drawn, **arguments
        )
        self.render_mode = render_mode
        self.observation_space = self.batch.single_observation_space
        self.action_space = self.batch.single_action_space

    def __reduce__(self) -> tuple[Any, ...]:
        raise not_copyable_error(self, "gymnasium.make")

    @property
    def transcript(self) -> Transcript:
        """The episode so far."""
        return self.batch.transcript(0)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Starts an episode; `options` as in `EpisodicVectorEnv.reset`."""
        seeds_for_rows(seed, 1)  # before Gymnasium's own check, whose error is of another class
        super().reset(seed=seed)
        observations, infos = self.batch.reset(seed=seed, options=options)
        return index_row(observations, 0), _row(infos)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:  # noqa: ANN401
        """Performs one action.

        Raises:
            gymnasium.error.ResetNeeded: If the episode is over.
            ValueError: If the action is not in the action space.
        """
        self._check_action(action)
        observations, rewards, terminated, truncated, infos = self.batch.step(np.array([action]))
        if self.render_mode == "human":
            self.render()
        return (
            index_row(observations, 0),
            float(rewards[0]),
            bool(terminated[0]),
            bool(truncated[0]),
            _row(infos),
        )

    def _check_action(self, action: Any) -> None:  # noqa: ANN401 - a caller's value
        """Raises ValueError for an action of another shape, or no number, in words of one row."""
        given, shape = np.asarray(action), self.action_space.shape
        if shape is not None and given.shape != shape:
            raise ValueError(
                f"Got an action of shape {given.shape}; allowed: one action, of shape {shape}. "
                "An array with an action for each row is for gymnasium.make_vec."
            )
        if isinstance(self.action_space, gym.spaces.Discrete) and given.dtype.kind not in "iu":
            raise ValueError(
                f"Got action {shown(action)}; allowed: a whole number, 0 to "
                f"{self.action_space.n - 1}, such as int(action)."
            )

    def render(self) -> Any:  # noqa: ANN401 - by render mode
        """Returns ANSI text or a frame (H, W, 3) uint8; the mode "human" prints the text."""
        if self.render_mode == "human":
            width = shutil.get_terminal_size((rendering.COLUMNS, 24)).columns
            print(rendering.ansi(self.transcript, color=rendering.has_color(), width=width))
            return None
        frames = self.batch.render()
        return None if frames is None else frames[0]

    def action_masks(self) -> np.ndarray:
        """Returns which discrete actions are valid now, (actions,) bool."""
        return self.batch.action_masks()[0]

    def get_state(self) -> dict[str, Any]:
        """Returns the state for `set_state`."""
        return self.batch.get_state()

    def set_state(self, state: dict[str, Any]) -> Any:  # noqa: ANN401 - as step gives it
        """Restores a state of `get_state` and returns its observation."""
        return index_row(self.batch.set_state(state), 0)


class LanguageEnv(RowEnv):
    """A view of a one-row `LanguageVectorEnv`, with the same arguments.

    ## Information
    `reset`: `prompt`. Every step: `text`, the completion so far, and `logprob`, the log-probability
    of what the step wrote under the frozen model, nats; in tasks of several turns also `reply`,
    what answered the line that the step completed. At the end of an episode also `prompt`,
    `reference`, `ending` ("end_token", "budget", "complete", "context" or "time_limit"), and
    `scores`: every component of the reward and their weighted sum `reward`.

    ## Arguments
    All ids take `model`, `device`, `dtype`, `deterministic`, `cache_dtype`, `actions`,
    `observation`, `dense`, `gamma`, `max_steps`, `prompt_cache`, `chat_template`, `system_prompt`,
    `user_prompt`, `render_mode` (see `LanguageVectorEnv`) and the arguments of their task. With
    `gamma=1`, the default, the rewards of an episode add up to its score, and the best policy is
    that of the score for an agent with gamma = 1 only; give the discount of any other agent (0.99
    is the default of Stable-Baselines3) as `gamma`.

    ## Vectorized environment
    `gymnasium.make_vec(id, num_envs=64)` advances all rows in one batch; `autoreset_mode` is
    "next_step", "same_step" or "disabled", and `group_size=8` lets 8 rows have one prompt.
    """

    def __init__(self, **arguments: Any) -> None:  # noqa: ANN401 - of the batch
        super().__init__(LanguageVectorEnv, **arguments)


def _row(infos: dict[str, Any]) -> dict[str, Any]:
    """Returns row 0 of a vector environment's infos, in plain Python values."""
    return {
        name: _row(values) if isinstance(values, dict) else to_python(values[0])
        for name, values in infos.items()
        if not name.startswith("_")
    }
