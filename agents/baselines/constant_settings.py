"""The same adjustments in every episode, for environments that adjust the model.

Owns what a point of an evolution strategy means as a plan. Knows no reward.
"""

from collections.abc import Callable

import gymnasium as gym
import numpy as np

from agents.baselines.evolution import maximize, maximize_from
from agents.baselines.families import Family, Trial, by_policy
from agents.evaluation.baselines import Policy
from lm_envs.envs.rows import Observations
from lm_envs.envs.tuning.base import TuningVectorEnv
from lm_envs.envs.tuning.structure_search import STOP

NAME = "constant settings, by evolution"
PLAN = "the same plan, by forward selection"

STOP_NAME = "stop"
"""Name of the action, or of the first component of an action, that ends an episode."""

FIRST_VALUES = (-0.5, -0.25, -0.125, 0.0, 0.125, 0.25, 0.375, 0.5)
"""Values of the first component of a continuous action that are tried alone."""

MORE_EVALUATIONS = 112
"""Of the evolution after them: 120 in all."""

STOP_PREFERENCE = 0.5
"""Parts that are preferred to this are removed: a tenth of them in the first generation, because
most models without half of their parts are ruined."""


def constant_settings(point: list[float]) -> Policy:
    """Returns the policy that takes the actions of a point whatever it observes.

    For continuous actions the point is the action; if the first component ends the episode, it is
    instead the share of the budget, from -1 for none to 1 for all, after which it ends. For
    discrete actions the point has a preference for every action but the first, which ends the
    episode: the most preferred valid action is taken while its preference is over
    `STOP_PREFERENCE`.
    """

    def act(env: TuningVectorEnv, observations: Observations) -> np.ndarray:
        if isinstance(env.single_action_space, gym.spaces.Discrete):
            preferences = np.array([STOP_PREFERENCE, *point])
            return np.where(env.action_masks(), preferences, -np.inf).argmax(1)
        actions = np.tile(np.array(point, np.float32), (env.num_envs, 1))
        if env.tuner.action_names[0] == STOP_NAME:
            share_used = 1.0 - np.asarray(observations)[:, -1]
            actions[:, 0] = np.where(share_used >= (point[0] + 1.0) / 2.0, 1.0, -1.0)
        return actions

    return act


def planned(actions: list[int]) -> Policy:
    """Returns the policy that takes discrete actions in this order, then stops."""
    plan = [np.array(action) for action in (*actions, STOP)]
    return lambda env, observations: env.planned_actions(plan)


def forward_selection(env: TuningVectorEnv) -> Family:
    """Returns the family of one plan for all episodes: the best next action, found one by one.

    It stops where no further action raises the mean reward, at the budget, or after all actions.

    Args:
        env: Any rows of the environment, whose actions are discrete.
    """
    count, budget = int(env.single_action_space.n), env.budget  # type: ignore[attr-defined]  # a Discrete

    def search(mean_reward: Callable[[list[int]], float]) -> list[Trial]:
        best, reward = [], mean_reward([])
        tried = [(best, reward)]
        while len(best) < min(budget, count - 1):
            left = [action for action in range(1, count) if action not in best]
            found = [([*best, action], mean_reward([*best, action])) for action in left]
            tried += found
            longer, higher = max(found, key=lambda trial: trial[1])
            if higher <= reward:
                break
            best, reward = longer, higher
        return tried

    return Family(PLAN, search, by_policy(lambda plan, seed: planned(plan)))


def evolved(env: TuningVectorEnv) -> Family:
    """Returns the family whose settings an evolution strategy finds with 40 evaluations.

    For continuous actions it begins at the best value of the first component alone, such as the
    temperature, with 80 evaluations more.

    Args:
        env: Any rows of the environment, for the size of an action.
    """
    space = env.single_action_space
    is_discrete = isinstance(space, gym.spaces.Discrete)
    size = int(space.n) - 1 if is_discrete else int(np.prod(space.shape or ()))

    def search(mean_reward: Callable[[list[float]], float]) -> list[Trial]:
        if is_discrete:
            return maximize(mean_reward, size)
        firsts = [[first, *[0.0] * (size - 1)] for first in FIRST_VALUES]
        return maximize_from(mean_reward, firsts, evaluations=MORE_EVALUATIONS)

    return Family(NAME, search, by_policy(lambda point, seed: constant_settings(point)))
