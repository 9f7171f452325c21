"""Baselines: random, greedy, sampling and top-p over the candidates that the agent chooses from.

Comparing choices among the same candidates measures the choice, not the candidates. Environments
and action kinds bring further baselines (`rule_policies`).
"""

from collections.abc import Callable, Collection
from typing import Any

import gymnasium as gym
import numpy as np

from lm_envs.envs.base import EpisodicVectorEnv
from lm_envs.envs.rows import Observations
from lm_envs.envs.vector_env import LanguageVectorEnv

Policy = Callable[[Any, Observations], np.ndarray]
"""Returns actions (N, ...) for an environment and its observations (N, ...)."""

Baselines = dict[str, Callable[[int], Policy]]
"""Functions by name that make a policy from a seed."""

RANDOM, GREEDY = "random", "greedy"
UNCHANGED = "as it is"
"""Name of the plan that leaves a model unchanged."""

WINDOW = "window and first 1"
"""Name of the plan that bounds a KV cache as models can bear it."""


def greedy() -> Policy:
    """Returns the policy that takes the most likely candidate."""
    return lambda env, observations: env.actions_for_ranks(np.zeros(env.num_envs, np.int64))


def uniform(seed: int = 0) -> Policy:
    """Returns the policy that draws each allowed candidate with the same probability."""
    rng = np.random.default_rng(seed)
    return lambda env, observations: env.actions_for_ranks(
        _draw(_softmax(np.where(np.isfinite(env.candidate_logprobs), 0.0, -np.inf)), rng)
    )


def sampling(temperature: float = 1.0, seed: int = 0) -> Policy:
    """Returns the policy that draws a candidate by the model's probability at a temperature.

    Probabilities are renormalized over the candidates.
    """
    return sampling_from(lambda env: env.candidate_logprobs / temperature, seed)


def sampling_from(logits_of: Callable[[LanguageVectorEnv], np.ndarray], seed: int = 0) -> Policy:
    """Returns the policy that draws a candidate by the softmax of the rows' logits (N, K)."""
    rng = np.random.default_rng(seed)

    def act(env: LanguageVectorEnv, observations: Observations) -> np.ndarray:
        return env.actions_for_ranks(_draw(_softmax(logits_of(env)), rng))

    return act


def top_p(share: float = 0.9, seed: int = 0) -> Policy:
    """Returns the policy that samples from the fewest candidates that hold `share` probability.

    Source: Holtzman et al. 2020, https://arxiv.org/abs/1904.09751 (nucleus sampling).
    """
    rng = np.random.default_rng(seed)

    def act(env: LanguageVectorEnv, observations: Observations) -> np.ndarray:
        probabilities = _softmax(env.candidate_logprobs)
        before = np.cumsum(probabilities, axis=1) - probabilities
        kept = np.where(before < share, probabilities, 0.0)
        return env.actions_for_ranks(_draw(kept / kept.sum(1, keepdims=True), rng))

    return act


def oracle() -> Policy:
    """Returns the policy that leads to the target, as far as the actions allow it."""
    return lambda env, observations: env.oracle_actions()


def random_actions(seed: int = 0) -> Policy:
    """Returns the policy that draws valid actions of the space uniformly."""
    rng = np.random.default_rng(seed)

    def act(env: EpisodicVectorEnv, observations: Observations) -> np.ndarray:
        space = env.single_action_space
        if isinstance(space, gym.spaces.Box):
            shape = env.action_space.shape
            return rng.uniform(space.low, space.high, shape).astype(np.float32)
        return np.array([rng.choice(np.flatnonzero(mask)) for mask in env.action_masks()])

    return act


RANKED: Baselines = {
    RANDOM: uniform,
    GREEDY: lambda seed: greedy(),
    "sampling": lambda seed: sampling(1.0, seed),
    "sampling, T=0.7": lambda seed: sampling(0.7, seed),
    "top-p 0.9": lambda seed: top_p(0.9, seed),
}
"""Baselines of action kinds whose candidates have ranks."""

DRAWN = {RANDOM, "sampling", "sampling, T=0.7", "top-p 0.9"}
"""Baselines that depend on the seed."""


def baselines_of(env: EpisodicVectorEnv) -> Baselines:
    """Returns the baselines of an environment."""
    first: Baselines = {RANDOM: random_actions}
    if isinstance(env, LanguageVectorEnv) and env.actions.is_ranked:
        can_sample = env.actions.has_model_probabilities
        first = RANKED if can_sample else {name: RANKED[name] for name in (RANDOM, GREEDY)}
    return first | {name: _by_rule(name) for name in env.rule_policies()}


def untrained(env: EpisodicVectorEnv) -> tuple[str, Policy]:
    """Returns the name and the policy of what the model does without an agent."""
    found = baselines_of(env)
    name = untrained_name(found)
    return name, found[name](0)


def untrained_name(names: Collection[str]) -> str:
    """Returns which of the baselines is the model without an agent."""
    return next(name for name in (GREEDY, UNCHANGED, WINDOW, RANDOM) if name in names)


def _by_rule(name: str) -> Callable[[int], Policy]:
    """Returns a rule of the environment as a policy; it has no seed."""
    return lambda seed: lambda env, observations: env.rule_policies()[name]()


def _softmax(logits: np.ndarray) -> np.ndarray:
    weights = np.exp(logits.astype(np.float64) - logits.max(1, keepdims=True))
    return weights / weights.sum(1, keepdims=True)


def _draw(probabilities: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Returns one column per row (N,), drawn by the row's probabilities."""
    thresholds = rng.random((len(probabilities), 1))
    chosen = (np.cumsum(probabilities, axis=1) < thresholds).sum(1)
    return np.minimum(chosen, probabilities.shape[1] - 1)
