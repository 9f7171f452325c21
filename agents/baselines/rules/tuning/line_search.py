"""A search within each episode: raise a setting while the loss falls, then turn around.

It reads the rewards that the agent receives too, so that it is a policy. Knows no model.
"""

import numpy as np

from agents.evaluation.baselines import Policy
from lm_envs.envs.rows import Observations
from lm_envs.envs.tuning.base import TuningVectorEnv
from lm_envs.envs.tuning.weight_tuning import STEP

NAME = "line search of the temperature"


class _Row:
    """The search of one episode along the first setting.

    Args:
        change: First action, in [-1, 1].
    """

    def __init__(self, change: float) -> None:
        self.change = change
        self.best_place, self.best_reward, self.last_reward = 0.0, 0.0, 0.0

    def action(self, place: float, reward: float, is_last: bool) -> float:
        """Returns the next action, in [-1, 1].

        Args:
            place: The setting now.
            reward: Of the episode so far.
            is_last: Whether it is the last step.
        """
        if reward >= self.best_reward:
            self.best_place, self.best_reward = place, reward
        if reward < self.last_reward:
            self.change *= -0.5
        self.last_reward = reward
        action = (self.best_place - place) / STEP if is_last else self.change
        return float(np.clip(action, -1.0, 1.0))


def line_search(change: float) -> Policy:
    """Returns the policy that searches along the first setting, such as the temperature.

    It goes on in one direction while the loss falls; when the loss rises it turns around with half
    the change. Its last step goes back towards the best setting that it has seen.

    Args:
        change: First action, in [-1, 1].

    Source: direct search in one dimension, Hooke and Jeeves 1961,
    https://doi.org/10.1145/321062.321069.
    """
    rows: dict[int, _Row] = {}

    def act(env: TuningVectorEnv, observations: Observations) -> np.ndarray:
        actions = np.zeros(env.action_space.shape or (), np.float32)
        places, rewards = np.asarray(observations)[:, 0], env.tuner.scores()["reward"]
        for row, step in enumerate(env.steps.tolist()):
            if step == 0:
                rows[row] = _Row(change)
            is_last = step > 0 and step >= env.budget - 1
            actions[row, 0] = rows[row].action(float(places[row]), float(rewards[row]), is_last)
        return actions

    return act
