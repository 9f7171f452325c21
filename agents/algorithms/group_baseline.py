"""Rollout buffers whose advantages are compared within groups of rows that have one prompt.

What an episode earns depends on its example more than on the actions, and a critic cannot know what
only the rest of the example tells. The other rows of a group have the same example: the mean of
their advantages after as many steps is what the critic did not foresee, and is subtracted. It does
not depend on the row's own action, so that the expected gradient stays that of the return.

Rows of a group end their episodes at different times. A step is compared with those of the same
rollout, and with those of earlier rollouts until all rows of the group have come so far; what the
first row to reach a step did is not compared with what others do later.

Source: leave-one-out baselines, Kool et al. 2019, "Buy 4 REINFORCE samples, get a baseline for
free!", for each step beside a critic. Owns which steps are compared.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from sb3_contrib.common.maskable.buffers import MaskableDictRolloutBuffer, MaskableRolloutBuffer
from stable_baselines3.common.buffers import DictRolloutBuffer, RolloutBuffer

GROUPED = ("PPO", "A2C", "TRPO", "MaskablePPO")
"""Algorithms that can compare the rows of a group."""

FEW = 0.25
"""Share of compared steps below which a buffer warns."""


@dataclass(frozen=True, slots=True)
class Steps:
    """K steps of groups with their advantages.

    Attributes:
        keys: (3, K) int64: the group, the number of the group's example, the step in its episode.
        advantages: (K,) float64.
    """

    keys: np.ndarray
    advantages: np.ndarray

    def join(self, other: "Steps") -> "Steps":
        """Returns these steps and, behind them, others."""
        keys = np.concatenate([self.keys, other.keys], axis=1)
        return Steps(keys, np.concatenate([self.advantages, other.advantages]))

    def since(self, episodes: np.ndarray) -> "Steps":
        """Returns the steps of episodes from a number on, which each group has its own of, (R,)."""
        is_kept = self.keys[1] >= episodes[self.keys[0]]
        return Steps(self.keys[:, is_kept], self.advantages[is_kept])


NOTHING = Steps(np.zeros((3, 0), np.int64), np.zeros(0))


def less_others(new: Steps, earlier: Steps = NOTHING) -> tuple[np.ndarray, float]:
    """Subtracts from new advantages the mean of all others at the same step of the same episode.

    Where no other row of the group has been at this step, the advantage stays as it is.

    Args:
        new: K steps.
        earlier: Steps that they are compared with too.

    Returns:
        The advantages (K,) float64, and the share of steps that were compared.
    """
    known = earlier.join(new)
    _, places = np.unique(known.keys, axis=1, return_inverse=True)
    places = places.ravel()
    own = places[earlier.advantages.size :]
    others = np.bincount(places)[own] - 1
    sums = np.bincount(places, known.advantages)[own] - new.advantages
    means = np.divide(sums, others, out=np.zeros_like(sums), where=others > 0)
    return new.advantages - means, float((others > 0).mean())


class GroupBaseline:
    """Mixin of a rollout buffer whose rows have one prompt a group; see the module.

    Args:
        arguments: Of the buffer.
        group_size: G, a divisor of the number of rows; that of the environment.
        options: Of the buffer.

    Attributes:
        counts: (2, N) int64: the episode of each row's last step in the buffer, and the step's
            number in it.
        open_steps: Steps of episodes that some row of their group has not ended.
        compared: Share of the last rollout's steps that were compared.

    Warns:
        UserWarning: If fewer than `FEW` of the steps were, unlike in the rollout before.

    Raises:
        ValueError: If the rows cannot be divided into groups.
    """

    advantages: np.ndarray
    episode_starts: np.ndarray
    n_envs: int

    def __init__(self, *arguments: Any, group_size: int, **options: Any) -> None:  # noqa: ANN401
        super().__init__(*arguments, **options)
        if group_size < 1 or self.n_envs % group_size:
            raise ValueError(f"Got group_size={group_size}; allowed: a divisor of {self.n_envs}.")
        self._group_size = group_size
        self.counts = np.zeros((2, self.n_envs), np.int64)
        self.open_steps = NOTHING
        self.compared = 1.0

    def compute_returns_and_advantage(self, last_values: torch.Tensor, dones: np.ndarray) -> None:
        """Computes returns, and advantages that are compared, (T, N) of a full buffer."""
        super().compute_returns_and_advantage(last_values, dones)  # type: ignore[misc]  # of the buffer
        episodes, steps = self._counted()
        self.counts = np.stack([episodes[-1], steps[-1]])
        before, shape = self.compared, self.advantages.shape
        groups = np.broadcast_to(np.arange(self.n_envs) // self._group_size, shape)
        keys = np.stack([groups.ravel(), episodes.ravel(), steps.ravel()])
        new = Steps(keys, self.advantages.ravel().astype(np.float64))
        compared, self.compared = less_others(new, self.open_steps)
        self.advantages = compared.reshape(shape).astype(self.advantages.dtype)
        slowest = self.counts[0].reshape(-1, self._group_size).min(axis=1)
        self.open_steps = self.open_steps.join(new).since(slowest)
        if self.compared < FEW <= before:
            warnings.warn(
                f"Got a rollout in which {self.compared:.0%} of the steps have another row of the "
                "group to be compared with: the episodes of a group have very different lengths. "
                "Use a larger group_size, or leave it out.",
                stacklevel=2,
            )

    def get_state(self) -> dict[str, np.ndarray]:
        """Returns what later rollouts depend on, for `set_state`."""
        open_steps = self.open_steps
        return {
            "counts": self.counts,
            "keys": open_steps.keys,
            "advantages": open_steps.advantages,
        }

    def set_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Restores a state."""
        self.counts = state["counts"]
        self.open_steps = Steps(state["keys"], state["advantages"])

    def _counted(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns the number of each step's episode, and its own number in it, both (T, N)."""
        starts = self.episode_starts > 0
        times = np.arange(len(starts))[:, None]
        before = -1 - self.counts[1]  # time at which the episode that goes on began
        begun = np.maximum.accumulate(np.where(starts, times, before), axis=0)
        return self.counts[0] + np.cumsum(starts, axis=0), times - begun


class GroupRolloutBuffer(GroupBaseline, RolloutBuffer):
    """A rollout buffer of PPO, A2C and TRPO."""


class GroupDictRolloutBuffer(GroupBaseline, DictRolloutBuffer):
    """The same, for observations of several parts."""


class MaskableGroupRolloutBuffer(GroupBaseline, MaskableRolloutBuffer):
    """A rollout buffer of MaskablePPO."""


class MaskableGroupDictRolloutBuffer(GroupBaseline, MaskableDictRolloutBuffer):
    """The same, for observations of several parts."""


def group_buffer(observations: gym.Space[Any], *, is_masked: bool) -> type[RolloutBuffer]:
    """Returns the class of rollout buffers for a space, with masks of actions or without."""
    if isinstance(observations, gym.spaces.Dict):
        return MaskableGroupDictRolloutBuffer if is_masked else GroupDictRolloutBuffer
    return MaskableGroupRolloutBuffer if is_masked else GroupRolloutBuffer
