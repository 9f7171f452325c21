"""Rollout buffers whose advantages are compared within groups of rows that have one prompt.

What an episode earns depends on its example more than on the actions, and a critic cannot know what
only the rest of the example tells. The other rows of a group have the same example: the mean of
their advantages after as many steps is what the critic did not foresee, and is subtracted. It does
not depend on the row's own action, so that the expected gradient stays that of the return.

Steps of one rollout are compared. Where all episodes have the same length, as in live subtitles,
those are all steps; where they have not, rows drift apart, and ever fewer meet the same example in
one rollout.

Source: leave-one-out baselines, Kool et al. 2019, "Buy 4 REINFORCE samples, get a baseline for
free!", for each step beside a critic. Owns which steps are compared.
"""

import warnings
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from sb3_contrib.common.maskable.buffers import MaskableDictRolloutBuffer, MaskableRolloutBuffer
from stable_baselines3.common.buffers import DictRolloutBuffer, RolloutBuffer

GROUPED = ("PPO", "A2C", "TRPO", "MaskablePPO")
"""Algorithms that can compare the rows of a group."""

FEW = 0.5
"""Share of compared steps below which a buffer warns."""


def less_others(
    advantages: np.ndarray, episodes: np.ndarray, steps: np.ndarray, group_size: int
) -> tuple[np.ndarray, float]:
    """Subtracts from advantages the mean of the others at the same step of the same episode.

    Where no other row of the group has this step, the advantage stays as it is.

    Args:
        advantages: (T, N) float32.
        episodes: (T, N) number of each step's episode in its row, from the start of the training.
        steps: (T, N) number of each step in its episode.
        group_size: G; rows 0 to G - 1 are a group, and so on.

    Returns:
        The advantages (T, N), and the share of steps that were compared.
    """
    groups = np.broadcast_to(np.arange(advantages.shape[1]) // group_size, advantages.shape)
    keys = np.stack([groups.ravel(), episodes.ravel(), steps.ravel()])
    _, places = np.unique(keys, axis=1, return_inverse=True)
    places = places.ravel()
    flat = advantages.ravel().astype(np.float64)
    others = np.bincount(places)[places] - 1
    sums = np.bincount(places, flat)[places] - flat
    means = np.divide(sums, others, out=np.zeros_like(flat), where=others > 0)
    compared = (flat - means).reshape(advantages.shape).astype(advantages.dtype)
    return compared, float((others > 0).mean())


class GroupBaseline:
    """Mixin of a rollout buffer whose rows have one prompt a group; see the module.

    Args:
        arguments: Of the buffer.
        group_size: G, a divisor of the number of rows; that of the environment.
        options: Of the buffer.

    Attributes:
        counts: (2, N) int64: the episode of each row's last step in the buffer, and the step's
            number in it.
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
        self.compared = 1.0

    def compute_returns_and_advantage(self, last_values: torch.Tensor, dones: np.ndarray) -> None:
        """Computes returns, and advantages that are compared, (T, N) of a full buffer."""
        super().compute_returns_and_advantage(last_values, dones)  # type: ignore[misc]  # of the buffer
        episodes, steps = self._counted()
        self.counts = np.stack([episodes[-1], steps[-1]])
        before = self.compared
        self.advantages, self.compared = less_others(
            self.advantages, episodes, steps, self._group_size
        )
        if self.compared < FEW <= before:
            warnings.warn(
                f"Got a rollout in which {self.compared:.0%} of the steps have another row of the "
                "group to be compared with: episodes have different lengths, and rows drift apart. "
                "Use episodes of one length, or leave group_size out.",
                stacklevel=2,
            )

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
