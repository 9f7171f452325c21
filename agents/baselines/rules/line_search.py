"""A search within each episode: raise a setting while the loss falls, then turn around.

It reads the rewards that the agent receives too, so that it is a policy. Knows no model.
"""

import numpy as np

from agents.evaluation.baselines import Policy
from lm_envs.envs.rows import Observations
from lm_envs.envs.tuning.base import TuningVectorEnv
from lm_envs.envs.tuning.weight_tuning import STEP


class _Row:
    """The search of one episode along the first setting.

    Args:
        change: First action, in [-1, 1].
    """

    def __init__(self, change: float) -> None:
        self.change, self.place = change, 0.0
        self.best_place, self.best_reward, self.last_reward = 0.0, 0.0, 0.0

    def action(self, reward: float, is_last: bool) -> float:
        """Returns the next action, in [-1, 1], given the reward so far of the episode."""
        if reward >= self.best_reward:
            self.best_place, self.best_reward = self.place, reward
        if reward < self.last_reward:
            self.change *= -0.5
        self.last_reward = reward
        action = (self.best_place - self.place) / STEP if is_last else self.change
        action = float(np.clip(action, -1.0, 1.0))
        self.place = float(np.clip(self.place + STEP * action, -1.0, 1.0))
        return action


def line_search(change: float) -> Policy:
    """Returns the policy that searches along the first setting, such as the temperature.

    It goes on in one direction while the loss falls; when the loss rises it turns around with half
    the change. Its last step goes back towards the best setting that it has seen.

    Args:
        change: First action, in [-1, 1].

    Source: the success-step rule of Kiefer 1953, https://doi.org/10.2307/2032161, in its simplest
    form.
    """
    rows: dict[int, _Row] = {}

    def act(env: TuningVectorEnv, observations: Observations) -> np.ndarray:
        actions = np.zeros(env.action_space.shape or (), np.float32)
        left = np.asarray(observations)[:, -1]
        rewards, steps = env.tuner.scores()["reward"], env.steps
        for row, step in enumerate(steps.tolist()):
            if step == 0:
                rows[row] = _Row(change)
            is_last = step > 0 and left[row] * (step / (1.0 - left[row])) < 1.5
            actions[row, 0] = rows[row].action(float(rewards[row]), is_last)
        return actions

    return act
