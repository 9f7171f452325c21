"""Random episodes of an environment as users get it, for the subjects that time them."""

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode

import lm_envs
from benchmarks.harness.models import folder_of
from lm_envs.envs.vector_env import LanguageVectorEnv

gym.register_envs(lm_envs)

WARM_UP_STEPS = 384
"""Steps before the first that is timed: those in which prompts and texts are new are slower."""


class RandomSteps:
    """Random actions, default rewards and resets included; called, it takes `steps` of them.

    Args:
        name: Id of the environment.
        model: What is looked up in `benchmarks.harness.models`.
        num_rows: N.
        dtype: As the environment takes it.
        num_actions: Only so many of the first actions are taken, or as many as there are.
        steps: At each call.

    Attributes:
        env: The environment, warm.
    """

    def __init__(
        self, name: str, model: str, num_rows: int, dtype: str, *, num_actions: int, steps: int
    ) -> None:
        made = gym.make_vec(
            name,
            num_envs=num_rows,
            model=str(folder_of(model)),
            dtype=dtype,
            autoreset_mode=AutoresetMode.SAME_STEP,
        ).unwrapped
        assert isinstance(made, LanguageVectorEnv)
        assert isinstance(made.single_action_space, gym.spaces.Discrete)
        self.env, self._steps = made, steps
        self._count = min(num_actions, int(made.single_action_space.n))
        self._rng = np.random.default_rng(0)
        made.reset(seed=0)
        self._take(WARM_UP_STEPS)

    def __call__(self) -> None:
        """Takes the steps."""
        self._take(self._steps)

    def _take(self, steps: int) -> None:
        for _ in range(steps):
            self.env.step(self._rng.integers(0, self._count, self.env.num_envs))
