"""The feature: how many syllables are still missing."""

import numpy as np

from lm_envs.envs.episode_buffer import EpisodeBuffer
from lm_envs.envs.observations.factory import View
from lm_envs.model.engine import Outputs
from stranger.rewards import num_syllables

MOST = 4


class SyllablesLeft:
    """One column: syllables that the row asks for, less those written, in [-4, 4]."""

    def __init__(self, view: View) -> None:
        self.columns = {"syllables_left": (np.array([-MOST]), np.array([MOST]))}

    def encode(self, outputs: Outputs, episodes: EpisodeBuffer) -> np.ndarray:
        wanted = [columns.get("syllables", 1) for columns in episodes.columns]
        written = [num_syllables(text) for text in episodes.texts]
        return (np.array(wanted) - written).clip(-MOST, MOST).astype(np.float32)[:, None]
