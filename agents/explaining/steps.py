"""The recorded steps of many episodes as arrays, and the policy as a function of them.

Owns what a preference for a taken action is, and when an action counts as another one. Knows
nothing of attributions.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import gymnasium as gym
import numpy as np
from sb3_contrib import MaskablePPO
from stable_baselines3.common.base_class import BaseAlgorithm

from agents.viewing.policies import preference_kind, preferences_of
from agents.viewing.recorder import Moment
from agents.viewing.trace import EpisodeTrace

LEAST_MOVE = 0.1
"""Share of its range by which a component of a continuous action moves in another action."""

Recorded = Sequence[tuple[EpisodeTrace, Sequence[Moment]]]


@dataclass(frozen=True, slots=True)
class StepArrays:
    """S steps of E episodes.

    Attributes:
        observations: (S, D).
        masks: (S, A) bool, valid actions; None where actions are continuous.
        actions: (S, ...).
        episodes: (S,) number of each step's episode.
    """

    observations: np.ndarray
    masks: np.ndarray | None
    actions: np.ndarray
    episodes: np.ndarray

    @classmethod
    def from_records(cls, records: Recorded) -> "StepArrays":
        """Returns the steps of recorded episodes, in their order."""
        moments = [moment for _, each in records for moment in each]
        numbers = [number for number, (_, each) in enumerate(records) for _ in each]
        masks = [moment.mask for moment in moments if moment.mask is not None]
        return cls(
            np.stack([moment.observation for moment in moments]),
            np.stack(masks) if masks else None,
            np.stack([moment.action for moment in moments]),
            np.array(numbers),
        )

    def select(self, steps: np.ndarray) -> "StepArrays":
        """Returns some of the steps, by number or by mask."""
        masks = None if self.masks is None else self.masks[steps]
        return StepArrays(
            self.observations[steps], masks, self.actions[steps], self.episodes[steps]
        )


StepFunction = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""A function of observations (M, D) and of the numbers (M,) of the steps that they belong to."""


def preferences_for(agent: BaseAlgorithm, steps: StepArrays) -> StepFunction:
    """Returns the function from observations (M, D) and steps (M,) to preferences (M, A).

    Invalid actions of the step have the preference -inf, if the algorithm obeys masks.
    """
    show = preferences_of(agent)
    obeys_masks = isinstance(agent, MaskablePPO)

    def preferences(observations: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        masks = steps.masks[numbers] if obeys_masks and steps.masks is not None else None
        found, _ = show(observations, masks)
        assert found is not None
        return found if masks is None else np.where(masks, found, -np.inf)

    return preferences


def actions_for(agent: BaseAlgorithm, steps: StepArrays) -> StepFunction:
    """Returns the function from observations (M, D) and steps (M,) to actions (M, ...)."""
    if isinstance(agent.action_space, gym.spaces.Box):
        return lambda observations, numbers: agent.predict(observations, deterministic=True)[0]
    preferences = preferences_for(agent, steps)
    return lambda observations, numbers: preferences(observations, numbers).argmax(1)


def are_different(agent: BaseAlgorithm, actions: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Returns which of M actions differ from the others (M, ...), (M,) bool.

    Continuous ones do if a component moves by more than `LEAST_MOVE` of its range.
    """
    if isinstance(agent.action_space, gym.spaces.Box):
        return _moves(agent.action_space, actions, others).max(1) > LEAST_MOVE
    return np.not_equal(actions, others)


def preference_for_taken(agent: BaseAlgorithm, steps: StepArrays) -> StepFunction:
    """Returns the function from observations (M, D) and steps (M,) to preferences (M,).

    It is the probability of the action that was taken at the step; of algorithms with action
    values, that value minus the mean over the valid actions, so that the value of the state does
    not count. For continuous actions it is minus the distance of the agent's action from the taken
    one: the mean over the components, as a share of their range.
    """
    if isinstance(space := agent.action_space, gym.spaces.Box):
        act = actions_for(agent, steps)
        return lambda seen, numbers: (
            -_moves(space, act(seen, numbers), steps.actions[numbers]).mean(1)
        )
    preferences = preferences_for(agent, steps)
    is_probability = preference_kind(agent) == "probability"

    def preference(observations: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        found = preferences(observations, numbers)
        own = found[np.arange(len(found)), steps.actions[numbers].astype(int)]
        if is_probability:
            return own
        return own - np.nanmean(np.where(np.isfinite(found), found, np.nan), 1)

    return preference


def _moves(space: gym.spaces.Box, actions: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Returns how far components (M, K) are from the others, as a share of their range."""
    return np.abs(actions - others) / (space.high - space.low)
