"""Random episodes of an environment with its default arguments, for the subjects that time them.

Owns the warm-up and the random actions. Knows nothing of clocks.
"""

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode

import lm_envs
from benchmarks.harness.models import model_folder
from lm_envs.envs.vector_env import LanguageVectorEnv

gym.register_envs(lm_envs)

WARM_UP_STEPS = 384
"""Steps before the first timed one; steps that fill the caches of prompts and texts are slower."""


class RandomSteps:
    """Takes random steps, default rewards and resets included; each call takes `steps` of them.

    Args:
        name: Id of the environment, whose actions are discrete.
        model: Name or folder of a model, see `benchmarks.harness.models`.
        num_rows: N.
        dtype: The environment's `dtype`.
        num_actions: Actions are drawn from the first `num_actions`, or from all if there are fewer.
        steps: Steps of all rows in one call.

    Attributes:
        env: The environment, after the warm-up.
    """

    def __init__(
        self, name: str, model: str, num_rows: int, dtype: str, *, num_actions: int, steps: int
    ) -> None:
        env = gym.make_vec(
            name,
            num_envs=num_rows,
            model=str(model_folder(model)),
            dtype=dtype,
            autoreset_mode=AutoresetMode.SAME_STEP,
        ).unwrapped
        assert isinstance(env, LanguageVectorEnv)
        assert isinstance(env.single_action_space, gym.spaces.Discrete)
        self.env, self._steps = env, steps
        self._num_actions = min(num_actions, int(env.single_action_space.n))
        self._rng = np.random.default_rng(0)
        env.reset(seed=0)
        self._take(WARM_UP_STEPS)

    def __call__(self) -> None:
        """Takes the steps."""
        self._take(self._steps)

    def _take(self, steps: int) -> None:
        for _ in range(steps):
            self.env.step(self._rng.integers(0, self._num_actions, self.env.num_envs))
