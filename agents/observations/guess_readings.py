"""What guesses of the source tell about the next token, as columns of an observation.

Owns the columns. Knows no policy and no reward.
"""

from collections.abc import Mapping

import numpy as np

from agents.baselines.rules.simultaneous.guess_readings import NAMES
from agents.baselines.rules.simultaneous.guess_readings import GuessReadings as Readings
from lm_envs.envs.actions.read_write import ReadWriteActions
from lm_envs.envs.episode_buffer import EpisodeBuffer
from lm_envs.envs.observations.factory import View
from lm_envs.envs.observations.features import Bounds
from lm_envs.model.engine import Outputs

PATH = "agents.observations.guess_readings:GuessReadings"


class GuessReadings:
    """Seven numbers in [0, 1] about the next token, see `rules.simultaneous.guess_readings`.

    The language model guesses how a source that is not read to its end goes on; each beginning
    takes 24 drawn texts, once.

    Args:
        view: What the observation is made from.

    Raises:
        ValueError: If the environment is no simultaneous translation.
    """

    def __init__(self, view: View) -> None:
        if not isinstance(view.actions, ReadWriteActions):
            raise ValueError(
                f"Got GuessReadings for {view.setup.task_name!r} with other actions; allowed: "
                'lm_envs/Translation-v0 with mode="simultaneous".'
            )
        self._actions = view.actions
        self._readings: Readings | None = None
        self.columns: Mapping[str, Bounds] = {name: (np.zeros(1), np.ones(1)) for name in NAMES}

    def encode(self, outputs: Outputs, episodes: EpisodeBuffer) -> np.ndarray:
        """Returns (N, 7)."""
        if self._readings is None:  # the actions have an engine by now
            self._readings = Readings(self._actions)
        return self._readings.of(self._actions).astype(np.float32)
