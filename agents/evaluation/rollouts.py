"""Rollouts of a policy on chosen examples, for training curves and evaluations alike.

Owns the assignment of examples to rows. Knows nothing of statistics.
"""

from collections.abc import Callable

import gymnasium as gym
import numpy as np
from sb3_contrib import MaskablePPO, RecurrentPPO
from stable_baselines3.common.base_class import BaseAlgorithm

from agents.evaluation.baselines import Policy
from lm_envs.envs.base import EpisodicVectorEnv
from lm_envs.envs.rows import Observations
from lm_envs.transcript import Transcript

PlacedPolicy = Callable[[EpisodicVectorEnv, Observations, np.ndarray], np.ndarray]
"""Returns actions (N, ...) for an environment, its observations, and the place (N,) of each row's
example among those that are run; -1 for rows without one."""


def agent_policy(model: BaseAlgorithm, *, deterministic: bool = True) -> Policy:
    """Returns a Stable-Baselines3 agent as a policy.

    Args:
        model: The agent.
        deterministic: Whether it takes its best action; otherwise it samples.
    """
    if isinstance(model, MaskablePPO):
        return lambda env, observations: model.predict(
            observations, deterministic=deterministic, action_masks=env.action_masks()
        )[0]
    if isinstance(model, RecurrentPPO):
        return _recurrent_policy(model, deterministic=deterministic)
    return lambda env, observations: model.predict(observations, deterministic=deterministic)[0]


def without_image(policy: Policy) -> Policy:
    """Returns a policy that sees a black image in place of each: what it can do without seeing.

    Args:
        policy: Of observations with an `image`.
    """

    def act(env: EpisodicVectorEnv, observations: Observations) -> np.ndarray:
        assert isinstance(observations, dict)
        return policy(env, {**observations, "image": np.zeros_like(observations["image"])})

    return act


def shows_image(env: EpisodicVectorEnv) -> bool:
    """Returns whether the observations of an environment have an `image`."""
    space = env.single_observation_space
    return isinstance(space, gym.spaces.Dict) and "image" in space.spaces


def _recurrent_policy(model: RecurrentPPO, *, deterministic: bool) -> Policy:
    """Returns the agent with a recurrent state per row; it has to be called at every step."""
    state: tuple[np.ndarray, ...] | None = None

    def act(env: EpisodicVectorEnv, observations: Observations) -> np.ndarray:
        nonlocal state
        actions, state = model.predict(
            observations, state, env.steps == 0, deterministic=deterministic
        )
        return actions

    return act


def evenly_spaced_indices(num_examples: int, max_count: int) -> np.ndarray:
    """Returns up to `max_count` distinct example indices (E,) int64, evenly spaced.

    With fewer examples than `max_count` it returns each once, since repeated examples would make
    confidence intervals too narrow.
    """
    count = min(max_count, num_examples)
    return np.linspace(0, num_examples - 1, count).round().astype(np.int64)


def run_episodes(env: EpisodicVectorEnv, policy: Policy, indices: np.ndarray) -> list[Transcript]:
    """Runs one episode per example and returns the transcripts in the order of `indices`.

    Args:
        env: In autoreset mode DISABLED.
        policy: Called with the environment and the observations of all its rows.
        indices: (E,) example indices.
    """
    return run_placed_episodes(
        env, lambda env, observations, places: policy(env, observations), indices
    )


def run_placed_episodes(
    env: EpisodicVectorEnv, policy: PlacedPolicy, indices: np.ndarray
) -> list[Transcript]:
    """Runs one episode per example by a policy that knows the example of each row.

    A row that finishes takes the next waiting example at once, so that no row idles.

    Args:
        env: In autoreset mode DISABLED.
        policy: Called with the environment, the observations and the examples of all its rows.
        indices: (E,) example indices.

    Returns:
        The transcripts in the order of `indices`.
    """
    num_rows = env.num_envs
    waiting = list(range(len(indices)))
    # Position in `indices` of each row's example; -1 for rows without one, which repeat example 0.
    assigned = np.array([waiting.pop(0) if waiting else -1 for _ in range(num_rows)])
    finished: dict[int, Transcript] = {}
    observations, _ = env.reset(options={"index": indices[np.maximum(assigned, 0)]})
    while len(finished) < len(indices):
        observations, _, terminated, truncated, _ = env.step(policy(env, observations, assigned))
        is_over = terminated | truncated
        if not is_over.any():
            continue
        for row in np.flatnonzero(is_over).tolist():
            if assigned[row] >= 0:
                finished[int(assigned[row])] = env.transcript(row)
            assigned[row] = waiting.pop(0) if waiting else -1
        options = {"index": indices[np.maximum(assigned, 0)], "reset_mask": is_over}
        observations, _ = env.reset(options=options)
    return [finished[number] for number in range(len(indices))]


def mean_scores(transcripts: list[Transcript]) -> dict[str, float]:
    """Computes the mean of every score over transcripts of one environment."""
    names = transcripts[0].scores
    return {name: float(np.mean([t.scores[name] for t in transcripts])) for name in names}
