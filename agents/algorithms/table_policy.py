"""A policy that acts by a table of action values, with epsilon-greedy exploration.

Owns the table's tensors and the choice of actions. Knows nothing of how the table is learned.
"""

from typing import Any

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3.common.policies import BasePolicy


class TablePolicy(BasePolicy):
    """Takes the action of highest value, or with probability epsilon a uniformly random one.

    Args:
        observation_space: Discrete, S states.
        action_space: Discrete, A actions.
        num_tables: 1, or 2 that are learned separately and whose sum is acted on.

    Raises:
        ValueError: If a space is not discrete.

    Attributes:
        tables: (1 or 2, S, A) float64 action values.
        visits: (1 or 2, S, A) int64 updates of each entry.
        epsilon: () float64.
    """

    # The three names are keys of saved checkpoints and of `TabularQ.save`.
    tables: torch.Tensor
    visits: torch.Tensor
    epsilon: torch.Tensor

    def __init__(
        self, observation_space: gym.Space[Any], action_space: gym.Space[Any], num_tables: int
    ) -> None:
        super().__init__(observation_space, action_space)
        num_states, num_actions = _check_spaces(observation_space, action_space)
        shape = num_tables, num_states, num_actions
        self.register_buffer("tables", torch.zeros(shape, dtype=torch.float64))
        self.register_buffer("visits", torch.zeros(shape, dtype=torch.int64))
        self.register_buffer("epsilon", torch.ones((), dtype=torch.float64))

    def act(self, states: np.ndarray, *, deterministic: bool) -> np.ndarray:
        """Returns actions (N,) int64 in states (N,): of highest value, the first of equals."""
        best = self.tables[:, torch.as_tensor(states)].sum(0).argmax(1)
        if not deterministic:
            random = torch.randint(self.tables.shape[2], best.shape)
            best = torch.where(torch.rand(len(best)) < self.epsilon, random, best)
        return best.numpy()

    def predict(
        self,
        observation: np.ndarray | dict[str, np.ndarray],
        state: tuple[np.ndarray, ...] | None = None,
        episode_start: np.ndarray | None = None,
        deterministic: bool = False,
    ) -> tuple[np.ndarray, None]:
        """Returns actions for observations (N,), epsilon-greedy unless deterministic.

        Args:
            observation: (N,) integers, or one.
            state: Ignored; the policy is not recurrent.
            episode_start: Ignored.
            deterministic: Whether to leave out exploration.
        """
        states = np.asarray(observation)
        return self.act(states.reshape(-1), deterministic=deterministic).reshape(states.shape), None

    def _predict(self, observation: Any, deterministic: bool = False) -> torch.Tensor:  # noqa: ANN401
        return torch.from_numpy(self.act(observation.numpy(), deterministic=deterministic))


def _check_spaces(states: gym.Space[Any], actions: gym.Space[Any]) -> tuple[int, int]:
    """Returns the numbers of states and actions."""
    if not isinstance(states, gym.spaces.Discrete) or states.start != 0:
        raise ValueError(
            f"Got observations {type(states).__name__} of shape {states.shape}; allowed: Discrete "
            "from 0. Fit a clustered, hashed or binned reducer with agents.fit_reducer and give "
            "the environment observation={'kind': 'hidden', 'reducer': …}."
        )
    if not isinstance(actions, gym.spaces.Discrete) or actions.start != 0:
        raise ValueError(
            f"Got actions {type(actions).__name__} of shape {actions.shape}; allowed: Discrete "
            "from 0, as actions='top_k'. For continuous actions use SAC or TD3."
        )
    return int(states.n), int(actions.n)
