"""Small environments of each kind of tuning."""

import gymnasium as gym
import numpy as np

import lm_envs  # noqa: F401 - registers the ids

SMALL = {
    "WeightTuning": {"passages": 3, "adjustments": 4},
    "StructureSearch": {"passages": 3, "adjustments": 4},
    "TrainingControl": {"passages": 6, "adjustments": 2, "optimiser_steps": 1},
    "CacheEviction": {"cache_size": 8, "adjustments": 4},
}
HEADS, LAYERS = 4, 4
"""Of the embedded model."""


def make_one(name, **options):
    """Returns a single environment."""
    return gym.make(f"lm_envs/{name}-v0", **SMALL[name] | options)


def make_rows(name, num_rows=3, mode="same_step", **options):
    """Returns a vector environment."""
    kwargs = SMALL[name] | options
    return gym.make_vec(f"lm_envs/{name}-v0", num_envs=num_rows, autoreset_mode=mode, **kwargs)


def random_actions(env, steps=9):
    """Returns the same random actions for each environment with this action space."""
    env.action_space.seed(5)
    return [env.action_space.sample() for _ in range(steps)]


def training_action(rate, stop=-1.0, frozen=()):
    """Returns the action of a learning rate, without weight decay."""
    action = np.full(3 + LAYERS, -1.0, np.float32)
    action[:2] = (stop, rate)
    action[[3 + layer for layer in frozen]] = 1.0
    return action
