"""The rows of one runner: a batched environment with seeds of its own and without infos.

Owns what a process that steps environments makes. Knows nothing of Ray.
"""

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import VectorEnv, VectorWrapper

from agents.config.imports import import_modules
from agents.config.train import TrainConfig
from lm_envs.envs.rows import Observations

ENV_PREFIX = "lm_envs:"
"""Before an id: Gymnasium then imports the module that registers it, also in a process that has an
empty registry, as those of a cluster have."""


class RunnerRows(VectorWrapper):
    """N rows of one runner, in autoreset mode NEXT_STEP.

    RLlib seeds runner i with seed + i, so row 1 of one runner would begin the prompt of row 0 of
    the next; here the seed of row 0 is drawn from that seed and the run's name. Infos are dropped:
    RLlib would send the texts of every step to the learner, which reads none of them.

    Args:
        env: The rows.
        name: Of the run.
    """

    def __init__(self, env: VectorEnv, name: str) -> None:
        super().__init__(env)
        self._name = name

    def reset(
        self,
        *,
        seed: int | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Observations, dict[str, Any]]:
        """Starts an episode in every row.

        Args:
            seed: Of the runner; None goes on with the generators of the rows.
            options: As those of the rows.
        """
        drawn = None if seed is None else runner_seed(self._name, seed)
        return self.env.reset(seed=drawn, options=options)[0], {}

    def step(
        self, actions: np.ndarray
    ) -> tuple[Observations, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Performs one action in every row."""
        return *self.env.step(actions)[:4], {}


def runner_seed(name: str, seed: int) -> int:
    """Returns the seed of row 0 of a runner, drawn from the run's name and the runner's seed."""
    entropy = np.random.SeedSequence([seed, *name.encode()])
    return int(entropy.generate_state(1, np.uint64)[0])


def make_rows(config: TrainConfig, gamma: float) -> RunnerRows:
    """Returns the training rows of a runner.

    Args:
        config: Of the run; its imports are imported, so they have to be trusted.
        gamma: Discount of the algorithm, unless `env.kwargs` has another one.
    """
    import_modules(config.imports)
    kwargs: Mapping[str, Any] = {"gamma": gamma, **config.env.kwargs, "split": config.env.split}
    env = gym.make_vec(importing_id(config.env.id), num_envs=config.env.n_envs, **kwargs)
    return RunnerRows(env, config.name)


def importing_id(env_id: str) -> str:
    """Returns an id with the module that registers it: `lm_envs:lm_envs/NextWord-v0`."""
    return f"{ENV_PREFIX}{env_id}" if env_id.startswith("lm_envs/") else env_id
