"""Lessons for a language model from a trained agent: what it chose, or the best of its texts.

Owns the rollouts of the agent. Trains nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import gymnasium as gym
import numpy as np
import torch
from sb3_contrib import RecurrentPPO
from sb3_contrib.common.maskable.policies import MaskableActorCriticPolicy
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.policies import ActorCriticPolicy

from agents.evaluation.rollouts import agent_policy, run_episodes
from agents.evaluation.search import best_of, grouped
from lm_envs.envs.rows import Observations
from lm_envs.envs.vector_env import LanguageVectorEnv
from lm_envs.transcript import Transcript


@dataclass(frozen=True, slots=True)
class Lesson:
    """One text, and for each of its T tokens the shares that K tokens should have there.

    Attributes:
        tokens: (P + T,) int64 ids of the prompt and the text.
        start: P, tokens of the prompt.
        candidates: (T, K) int64 token ids.
        shares: (T, K) float64 probabilities of the candidates, which sum to 1.
        reward: Of the text.
    """

    tokens: np.ndarray
    start: int
    candidates: np.ndarray
    shares: np.ndarray
    reward: float

    @classmethod
    def from_text(cls, text: Transcript) -> "Lesson":
        """Returns the lesson in which each written token has the share 1."""
        written = text.tokens[:, None]
        return cls.from_shares(text, written, np.ones(written.shape))

    @classmethod
    def from_shares(cls, text: Transcript, candidates: np.ndarray, shares: np.ndarray) -> "Lesson":
        """Returns the lesson with these candidates (T, K) and their shares (T, K)."""
        tokens = np.concatenate([text.prompt_tokens, text.tokens])
        start, reward = len(text.prompt_tokens), float(text.scores["reward"])
        return cls(tokens, start, candidates, shares, reward)


def choices(agent: BaseAlgorithm, env: LanguageVectorEnv, indices: np.ndarray) -> list[Lesson]:
    """Returns what the agent chooses at each step of its texts, one text for each example.

    An agent with a distribution over the candidates, such as PPO's, gives their shares; any other,
    such as DQN or a table, gives the token that it writes the share 1.

    Args:
        agent: Writes by its best action.
        env: In autoreset mode DISABLED, with actions that write tokens.
        indices: (E,) distinct example indices.

    Raises:
        ValueError: If an episode has several turns, and is not one text.
    """
    check_single_turn(env)
    act = agent_policy(agent)
    if not _has_distribution(agent) or not env.actions.is_ranked:
        return [Lesson.from_text(text) for text in run_episodes(env, act, indices)]
    recorded = _Recorded(agent, env)

    def act_and_record(rows: LanguageVectorEnv, observations: Observations) -> np.ndarray:
        recorded.add(observations)
        return act(rows, observations)

    texts = run_episodes(env, act_and_record, indices)
    pairs = zip(texts, indices.tolist(), strict=True)
    return [Lesson.from_shares(text, *recorded.steps_of(index)) for text, index in pairs]


def best_texts(
    agent: BaseAlgorithm, env: LanguageVectorEnv, indices: np.ndarray, n: int, seed: int
) -> list[Lesson]:
    """Returns the text of highest reward of `n` that the agent samples for each example.

    Args:
        agent: Samples by its own distribution, or by its best action if it has none.
        env: In autoreset mode DISABLED, with any actions that write text.
        indices: (E,) example indices.
        n: Texts of each example.
        seed: Of the samples, and of the choice among equal rewards.

    Raises:
        ValueError: If an episode has several turns, and is not one text.
    """
    check_single_turn(env)
    torch.manual_seed(seed)
    texts = run_episodes(env, agent_policy(agent, deterministic=False), indices.repeat(n))
    rng = np.random.default_rng(seed)
    return [Lesson.from_text(best_of(group, rng)) for group in grouped(texts, n)]


def check_single_turn(env: LanguageVectorEnv) -> None:
    """Raises ValueError if an episode has several turns, since it is then not one text."""
    if env.task.max_turns > 1:
        raise ValueError(
            f"Got {type(env.task).__name__}, whose episodes have up to {env.task.max_turns} turns; "
            "allowed: tasks of one text, such as next words, questions or translations."
        )


class _Recorded:
    """Candidates and shares at each step of the first episode of each example.

    `run_episodes` begins an example again in rows that have nothing left to do; those are ignored.
    """

    def __init__(self, agent: BaseAlgorithm, env: LanguageVectorEnv) -> None:
        self._agent, self._env = agent, env
        self._row_of: dict[int, int | None] = {}
        self._steps: dict[int, list[tuple[np.ndarray, np.ndarray]]] = {}

    def add(self, observations: Observations) -> None:
        """Records the current step of all rows."""
        env = self._env
        candidates, shares = env.outputs.candidates.copy(), self._shares(observations)
        for row, step in enumerate(env.steps.tolist()):
            index = env.episodes.examples[row].index
            if step == 0:
                self._row_of[index] = None if index in self._row_of else row
                self._steps.setdefault(index, [])
            if self._row_of[index] == row:
                self._steps[index].append((candidates[row], shares[row]))

    def steps_of(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns candidates and shares (T, K) of an example's text."""
        candidates, shares = zip(*self._steps[index], strict=True)
        return np.stack(candidates), np.stack(shares)

    def _shares(self, observations: Observations) -> np.ndarray:
        """Returns the agent's probabilities (N, K) of the candidates."""
        env, policy = self._env, self._agent.policy
        shown = policy.obs_to_tensor(observations)[0]  # type: ignore[arg-type]  # SB3 allows tuples too
        with torch.no_grad():
            if isinstance(policy, MaskableActorCriticPolicy):
                found = policy.get_distribution(shown, env.action_masks())
            else:
                assert isinstance(policy, ActorCriticPolicy)
                found = policy.get_distribution(shown)
        probabilities = found.distribution.probs.double().cpu().numpy()  # type: ignore[union-attr]  # of a Discrete space
        ranks = range(env.outputs.candidates.shape[1])
        actions = [env.actions_for_ranks(np.full(env.num_envs, rank)) for rank in ranks]
        shares = np.take_along_axis(probabilities, np.stack(actions, 1), 1)  # (N, K)
        return shares / shares.sum(1, keepdims=True)


def _has_distribution(agent: BaseAlgorithm) -> bool:
    """Returns whether an agent has probabilities of discrete actions, without a memory."""
    is_actor = isinstance(agent.policy, (ActorCriticPolicy, MaskableActorCriticPolicy))
    is_discrete = isinstance(agent.action_space, gym.spaces.Discrete)
    return is_actor and is_discrete and not isinstance(agent, RecurrentPPO)


def mean_reward(lessons: Sequence[Lesson]) -> float:
    """Computes the mean reward of the texts of lessons."""
    return float(np.mean([lesson.reward for lesson in lessons]))
