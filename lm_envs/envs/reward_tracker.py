"""Scores of the running completions, and their weighted sum, the potential of each row."""

from collections.abc import Callable

import numpy as np

from lm_envs.envs.episode_buffer import EpisodeBuffer
from lm_envs.tasks.rewards.reward import Reward


class RewardTracker:
    """Scores N completions.

    Args:
        reward: The weighted scores.
        episodes: The completions.
        dense: Whether texts are scored after every step, not at the end of an episode only.

    Attributes:
        scores: Each component of the reward, unweighted, (N,) float64, when it was last computed.

    Raises:
        ValueError: If rewards are dense and a score is given to finished texts only.
    """

    def __init__(self, reward: Reward, episodes: EpisodeBuffer, *, dense: bool = True) -> None:
        reward.check_dense(dense=dense)
        self._reward, self._episodes = reward, episodes
        num_rows = len(episodes.counts)
        self.scores = {name: np.zeros(num_rows) for name in reward.weights}

    def potentials(
        self,
        rows: np.ndarray,
        is_over: np.ndarray,
        collect: Callable[[], None] = lambda: None,
    ) -> np.ndarray:
        """Scores `rows` (R,) anew and returns the potentials (N,) float64 of all rows.

        Args:
            rows: (R,) int64.
            is_over: (N,) bool, where an episode ends: only there are scores of weight 0 computed.
            collect: Called before the first score that may use log-probabilities or the model.
        """
        reward, completions = self._reward, self._episodes.completions
        reward.update(self.scores, completions, rows, reward.textual)
        collect()
        reward.update(self.scores, completions, rows, reward.modelled)
        if reward.logged and (is_last := is_over[rows]).any():
            reward.update(self.scores, completions, rows[is_last], reward.logged)
        return reward.total(self.scores)
