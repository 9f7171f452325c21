"""One episode: row 0 of a one-row batch, so there is one set of dynamics to trust."""

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode

from lm_envs.envs.base import (
    RENDER_MODES,
    EpisodicVectorEnv,
    index_row,
    not_copyable_error,
    to_python,
)
from lm_envs.envs.vector_env import LanguageVectorEnv
from lm_envs.transcript import Transcript


class RowEnv(gym.Env[Any, Any]):
    """A `gymnasium.Env` view of a one-row `EpisodicVectorEnv`.

    The render mode "human" prints the text to the terminal, each word colored by its reward. It is
    not copied or pickled: `gymnasium.make(env.spec)` makes another, which `set_state` lets go on.

    Args:
        kind: Class of the batch.
        render_mode: None, "ansi", "rgb_array" or "human".
        arguments: Of that class.
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
        return self.batch.transcripts[0]

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begins an episode; `options` as the batch takes them."""
        super().reset(seed=seed)
        observations, infos = self.batch.reset(seed=seed, options=options)
        return index_row(observations, 0), _row(infos)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:  # noqa: ANN401
        """Acts once: writes a word or a line, or adjusts the model."""
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

    def render(self) -> Any:  # noqa: ANN401 - by render mode
        """ANSI text, or (H, W, 3) uint8; None in the "human" mode, which prints."""
        frames = self.batch.render()
        if frames is None:
            return None
        if self.render_mode == "human":
            print(frames[0])
            return None
        return frames[0]

    def action_masks(self) -> np.ndarray:
        """Which discrete actions are sensible now, (actions,) bool."""
        return self.batch.action_masks()[0]

    def get_state(self) -> dict[str, Any]:
        """Everything `set_state` needs to go on from here."""
        return self.batch.get_state()

    def set_state(self, state: dict[str, Any]) -> Any:  # noqa: ANN401 - as step gives it
        """Returns to a state of `get_state`; the observation there."""
        return index_row(self.batch.set_state(state), 0)


class LanguageEnv(RowEnv):
    """A view of a one-row `LanguageVectorEnv`, whose arguments it takes."""

    def __init__(self, **arguments: Any) -> None:  # noqa: ANN401 - of the batch
        super().__init__(LanguageVectorEnv, **arguments)


def _row(infos: dict[str, Any]) -> dict[str, Any]:
    """Row 0 of a vector environment's infos, in plain Python values."""
    return {
        name: _row(values) if isinstance(values, dict) else to_python(values[0])
        for name, values in infos.items()
        if not name.startswith("_")
    }
