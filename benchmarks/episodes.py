"""Random episodes of an environment as users get it, for the subjects that time them."""

from collections.abc import Callable

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode

import lm_envs
from benchmarks.models import folder_of

gym.register_envs(lm_envs)

WARM_UP_STEPS = 384
"""Steps before the first that is timed: those in which prompts and texts are new are slower."""


def random_steps(
    name: str, model: str, num_rows: int, dtype: str, *, num_actions: int, steps: int
) -> Callable[[], None]:
    """What takes that many steps at each call, resets and all default rewards included.

    Actions are drawn from the first `num_actions`, or from as many as there are.
    """
    env = gym.make_vec(
        name,
        num_envs=num_rows,
        model=str(folder_of(model)),
        dtype=dtype,
        autoreset_mode=AutoresetMode.SAME_STEP,
    )
    space = env.unwrapped.single_action_space
    assert isinstance(space, gym.spaces.Discrete)
    env.reset(seed=0)
    rng, count = np.random.default_rng(0), min(num_actions, int(space.n))

    def run(times: int = steps) -> None:
        for _ in range(times):
            env.step(rng.integers(0, count, num_rows))

    run(WARM_UP_STEPS)
    return run
