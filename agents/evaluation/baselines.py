"""Policies to beat: random, greedy, sampling and top-p over the same candidate_logprobs as the agent.

Where the agent writes, all of them choose among what the model proposes to it, words or lines, so
that what is compared is the choice and not the choices. Where it adjusts the model, they follow
plans.
"""

from collections.abc import Callable, Sequence
from typing import Any

import gymnasium as gym
import numpy as np

from lm_envs.envs.actions.read_write import READ, WRITE, SimultaneousWriter
from lm_envs.envs.actions.token_writer import TokenWriter
from lm_envs.envs.base import EpisodicVectorEnv, Observations
from lm_envs.envs.tuning.base import TuningVectorEnv
from lm_envs.envs.tuning.structure_search import StructureSearchVectorEnv
from lm_envs.envs.vector_env import LanguageVectorEnv
from lm_envs.tasks.rewards.text_normalization import rouge_words

Policy = Callable[[Any, Observations], np.ndarray]
"""Actions (N, ...) for an environment that it fits and its observations (N, ...)."""

Baselines = dict[str, Callable[[int], Policy]]
"""Policies by name, made from a seed."""


BELIEF = 0.4
"""How far a pointer is believed where nothing is learned; `CandidatePolicy` begins so too."""


def greedy() -> Policy:
    """The most likely word."""
    return lambda env, observations: env.actions_for_ranks(np.zeros(env.num_envs, np.int64))


def uniform(seed: int = 0) -> Policy:
    """Any proposal, all alike."""
    rng = np.random.default_rng(seed)
    return lambda env, observations: env.actions_for_ranks(
        _draw(_softmax(np.where(np.isfinite(env.candidate_logprobs), 0.0, -np.inf)), rng)
    )


def sampling(temperature: float = 1.0, seed: int = 0) -> Policy:
    """A proposal by the model's probability at a temperature, renormalized over the candidate_logprobs."""
    rng = np.random.default_rng(seed)

    def act(env: LanguageVectorEnv, observations: Observations) -> np.ndarray:
        return env.actions_for_ranks(_draw(_softmax(env.candidate_logprobs / temperature), rng))

    return act


def top_p(share: float = 0.9, seed: int = 0) -> Policy:
    """Sampling among the fewest best candidate_logprobs that hold `share` of the probability.

    Source: Holtzman et al. 2020, https://arxiv.org/abs/1904.09751 (nucleus sampling).
    """
    rng = np.random.default_rng(seed)

    def act(env: LanguageVectorEnv, observations: Observations) -> np.ndarray:
        probabilities = _softmax(env.candidate_logprobs)
        before = np.cumsum(probabilities, axis=1) - probabilities
        kept = np.where(before < share, probabilities, 0.0)
        return env.actions_for_ranks(_draw(kept / kept.sum(1, keepdims=True), rng))

    return act


def pointing(belief: float = BELIEF) -> Policy:
    """The likeliest candidate of a mixture of the model and, by so much, its pointer.

    Source: a continuous cache, Grave et al. 2016, https://arxiv.org/abs/1612.04426.
    """

    def act(env: LanguageVectorEnv, observations: Observations) -> np.ndarray:
        assert isinstance(env.writer, TokenWriter)
        assert env.writer.copied
        mixed = (1.0 - belief) * np.exp(env.candidate_logprobs) + belief * env.writer.copied.shares
        return env.actions_for_ranks(mixed.argmax(1))

    return act


def oracle() -> Policy:
    """What a perfect agent would do, as far as the environment lets it."""
    return lambda env, observations: env.oracle_actions()


def random_actions(seed: int = 0) -> Policy:
    """Any action of the space, all alike."""
    rng = np.random.default_rng(seed)

    def act(env: TuningVectorEnv, observations: Observations) -> np.ndarray:
        space = env.single_action_space
        if isinstance(space, gym.spaces.Box):
            return rng.uniform(space.low, space.high, env.action_space.shape).astype(np.float32)
        return np.array([rng.choice(np.flatnonzero(mask)) for mask in env.action_masks()])

    return act


def follow(plan: Sequence[np.ndarray]) -> Policy:
    """Some actions one after the other, the last for ever."""
    return lambda env, observations: np.stack(
        [plan[min(step, len(plan) - 1)] for step in env.steps.tolist()]
    )


def wait(k: int) -> Policy:
    """Of an interpreter: to stay k source words ahead of the words written.

    Source: Ma et al. 2019, https://arxiv.org/abs/1810.08398 (wait-k).
    """

    def act(env: LanguageVectorEnv, observations: Observations) -> np.ndarray:
        assert isinstance(env.writer, SimultaneousWriter)
        written = np.array([len(rouge_words(transcript.text)) for transcript in env.transcripts])
        return np.where(env.writer.num_read < k + written, READ, WRITE)

    return act


BASELINES: Baselines = {
    "random": uniform,
    "greedy": lambda seed: greedy(),
    "sampling": lambda seed: sampling(1.0, seed),
    "sampling, T=0.7": lambda seed: sampling(0.7, seed),
    "top-p 0.9": lambda seed: top_p(0.9, seed),
}
"""Those of whoever writes words or lines."""

DRAWN = {"random", "sampling", "sampling, T=0.7", "top-p 0.9"}
"""Baselines that a seed makes differ."""

WAITING: Baselines = {
    "wait-1": lambda seed: wait(1),
    "wait-2": lambda seed: wait(2),
    "wait-3": lambda seed: wait(3),
}
"""Baselines of an interpreter, whose greedy policy is to hear everything first."""

POINTING: Baselines = {"greedy, with the pointer": lambda seed: pointing()}
"""One more where words of the prompt can be copied."""

SEARCHING: Baselines = {"each part tried": lambda seed: lambda env, observations: env.tuner.best()}
"""Of a search for structure: what raises the worth most now, tried on the very passages."""


def baselines_of(env: EpisodicVectorEnv) -> Baselines:
    """The policies to beat in an environment."""
    if isinstance(env, TuningVectorEnv):
        plans = {name: _following(plan) for name, plan in env.plans.items()}
        is_searching = isinstance(env, StructureSearchVectorEnv)
        return {"random": random_actions, **plans, **(SEARCHING if is_searching else {})}
    writer = env.writer if isinstance(env, LanguageVectorEnv) else None
    if isinstance(writer, SimultaneousWriter):
        return BASELINES | WAITING
    is_copying = isinstance(writer, TokenWriter) and writer.copied is not None
    return BASELINES | (POINTING if is_copying else {})


def untrained(env: EpisodicVectorEnv) -> tuple[str, Policy]:
    """What the model does by itself, and its name."""
    name = "as it is" if isinstance(env, TuningVectorEnv) else "greedy"
    return name, baselines_of(env)[name](0)


def _following(plan: Sequence[np.ndarray]) -> Callable[[int], Policy]:
    return lambda seed: follow(plan)


def _softmax(logits: np.ndarray) -> np.ndarray:
    weights = np.exp(logits.astype(np.float64) - logits.max(1, keepdims=True))
    return weights / weights.sum(1, keepdims=True)


def _draw(probabilities: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One column per row (N,), by the row's probabilities."""
    thresholds = rng.random((len(probabilities), 1))
    chosen = (np.cumsum(probabilities, axis=1) < thresholds).sum(1)
    return np.minimum(chosen, probabilities.shape[1] - 1)
