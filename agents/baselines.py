"""Policies to beat: random, greedy, sampling and top-p over the same proposals as the agent.

All of them choose among what the model proposes to the agent, words or lines, so that what is
compared is the choice and not the choices.
"""

from collections.abc import Callable

import numpy as np

from lm_envs.envs.episodic import Observations
from lm_envs.envs.interpreter import READ, WRITE, Interpreter
from lm_envs.envs.vector_env import LanguageVectorEnv
from lm_envs.tasks.words import plain_words

Policy = Callable[[LanguageVectorEnv, Observations], np.ndarray]
"""Actions (N,) for an environment and its observations (N, ...)."""


def greedy() -> Policy:
    """The most likely word."""
    return lambda env, observations: env.of_ranks(np.zeros(env.num_envs, np.int64))


def uniform(seed: int = 0) -> Policy:
    """Any proposal, all alike."""
    rng = np.random.default_rng(seed)
    return lambda env, observations: env.of_ranks(
        _draw(_softmax(np.where(np.isfinite(env.proposals), 0.0, -np.inf)), rng)
    )


def sampling(temperature: float = 1.0, seed: int = 0) -> Policy:
    """A proposal by the model's probability at a temperature, renormalised over the proposals."""
    rng = np.random.default_rng(seed)

    def act(env: LanguageVectorEnv, observations: Observations) -> np.ndarray:
        return env.of_ranks(_draw(_softmax(env.proposals / temperature), rng))

    return act


def top_p(share: float = 0.9, seed: int = 0) -> Policy:
    """Sampling among the fewest best proposals that hold `share` of the probability.

    Source: Holtzman et al. 2020, https://arxiv.org/abs/1904.09751 (nucleus sampling).
    """
    rng = np.random.default_rng(seed)

    def act(env: LanguageVectorEnv, observations: Observations) -> np.ndarray:
        probabilities = _softmax(env.proposals)
        before = np.cumsum(probabilities, axis=1) - probabilities
        kept = np.where(before < share, probabilities, 0.0)
        return env.of_ranks(_draw(kept / kept.sum(1, keepdims=True), rng))

    return act


def oracle() -> Policy:
    """What a perfect agent would do, as far as the environment lets it."""
    return lambda env, observations: env.solutions()


def wait(k: int) -> Policy:
    """Of an interpreter: to stay k source words ahead of the words written.

    Source: Ma et al. 2019, https://arxiv.org/abs/1810.08398 (wait-k).
    """

    def act(env: LanguageVectorEnv, observations: Observations) -> np.ndarray:
        assert isinstance(env.writer, Interpreter)
        written = np.array([len(plain_words(transcript.text)) for transcript in env.transcripts])
        return np.where(env.writer.heard < k + written, READ, WRITE)

    return act


BASELINES: dict[str, Callable[[int], Policy]] = {
    "random": uniform,
    "greedy": lambda seed: greedy(),
    "sampling": lambda seed: sampling(1.0, seed),
    "sampling, T=0.7": lambda seed: sampling(0.7, seed),
    "top-p 0.9": lambda seed: top_p(0.9, seed),
}
"""Every baseline by name, made from a seed."""

WAITING: dict[str, Callable[[int], Policy]] = {
    "wait-1": lambda seed: wait(1),
    "wait-2": lambda seed: wait(2),
    "wait-3": lambda seed: wait(3),
}
"""Baselines of an interpreter, whose greedy policy is to hear everything first."""


def _softmax(logits: np.ndarray) -> np.ndarray:
    weights = np.exp(logits.astype(np.float64) - logits.max(1, keepdims=True))
    return weights / weights.sum(1, keepdims=True)


def _draw(probabilities: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One column per row (N,), by the row's probabilities."""
    thresholds = rng.random((len(probabilities), 1))
    chosen = (np.cumsum(probabilities, axis=1) < thresholds).sum(1)
    return np.minimum(chosen, probabilities.shape[1] - 1)
