"""The action kind: the model's best tokens, and now and then another one than the agent chose."""

import gymnasium as gym
import numpy as np

from lm_envs.envs.actions import TokenActions
from lm_envs.model.engine import Outputs


class SlipperyTopK(TokenActions):
    """Action a writes the a-th most likely token, or with probability `slip` a random candidate.

    Args:
        k: Number of candidates.
        slip: Probability, in [0, 1].
    """

    def __init__(self, *, k: int = 8, slip: float = 0.1) -> None:
        self.num_candidates, self.slip = k, slip
        self.space = gym.spaces.Discrete(k)

    def to_tokens(self, actions: np.ndarray, outputs: Outputs, rows: np.ndarray) -> np.ndarray:
        ranks = actions.copy()
        for (
            row
        ) in rows.tolist():  # each row draws from its own generator, so that it can be replayed
            if self.rngs[row].random() < self.slip:
                ranks[row] = self.rngs[row].integers(self.num_candidates)
        return np.take_along_axis(outputs.candidates, ranks[:, None], 1)[:, 0]

    def actions_for_ranks(self, ranks: np.ndarray) -> np.ndarray:
        return ranks  # the baselines slip as the agent does
