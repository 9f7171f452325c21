"""EpisodeBuffer of a policy on given examples: what training and evaluation judge by."""

import numpy as np
from sb3_contrib import MaskablePPO, RecurrentPPO
from stable_baselines3.common.base_class import BaseAlgorithm

from agents.evaluation.baselines import Policy
from lm_envs.envs.base import EpisodicVectorEnv
from lm_envs.envs.rows import Observations
from lm_envs.transcript import Transcript


def agent_policy(model: BaseAlgorithm) -> Policy:
    """A Stable-Baselines3 agent, choosing the action it thinks best."""
    if isinstance(model, MaskablePPO):
        return lambda env, observations: model.predict(
            observations, deterministic=True, action_masks=env.action_masks()
        )[0]
    if isinstance(model, RecurrentPPO):
        return _remembering(model)
    return lambda env, observations: model.predict(observations, deterministic=True)[0]


def _remembering(model: RecurrentPPO) -> Policy:
    """The agent with a memory of each row's episode; `act` has to see every step of it."""
    state: tuple[np.ndarray, ...] | None = None

    def act(env: EpisodicVectorEnv, observations: Observations) -> np.ndarray:
        nonlocal state
        actions, state = model.predict(observations, state, env.steps == 0, deterministic=True)
        return actions

    return act


def spread(num_examples: int, most: int) -> np.ndarray:
    """Up to `most` numbers of examples, evenly spaced; all where there are fewer, none twice.

    An example counted twice would make intervals too narrow.
    """
    count = min(most, num_examples)
    return np.linspace(0, num_examples - 1, count).round().astype(np.int64)


def run_episodes(env: EpisodicVectorEnv, policy: Policy, indices: np.ndarray) -> list[Transcript]:
    """One finished transcript per example, in the order of `indices`.

    Args:
        env: With autoreset mode DISABLED.
        policy: Called with the environment and the observations of all its rows.
        indices: Numbers of the examples to write.
    """
    num_rows = env.num_envs
    queue = list(range(len(indices)))
    place = np.array([queue.pop(0) if queue else -1 for _ in range(num_rows)])
    finished: dict[int, Transcript] = {}
    observations, _ = env.reset(options={"index": indices[np.maximum(place, 0)]})
    while len(finished) < len(indices):
        observations, _, terminated, truncated, _ = env.step(policy(env, observations))
        is_over = terminated | truncated
        if not is_over.any():
            continue
        transcripts = env.transcripts
        for row in np.flatnonzero(is_over):
            if place[row] >= 0:
                finished[int(place[row])] = transcripts[row]
            place[row] = queue.pop(0) if queue else -1
        pins = {"index": indices[np.maximum(place, 0)], "reset_mask": is_over}
        observations, _ = env.reset(options=pins)
    return [finished[number] for number in range(len(indices))]


def mean_scores(transcripts: list[Transcript]) -> dict[str, float]:
    """Mean of every score over some transcripts."""
    names = transcripts[0].scores
    return {name: float(np.mean([t.scores[name] for t in transcripts])) for name in names}
