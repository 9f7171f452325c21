"""Policies that show what they prefer: actions, preferences for each action, value estimates.

Owns where each algorithm keeps its preferences. Knows nothing of texts or rewards.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sb3_contrib import ARS, QRDQN, MaskablePPO, RecurrentPPO
from sb3_contrib.common.maskable.policies import MaskableActorCriticPolicy
from sb3_contrib.common.recurrent.policies import RecurrentActorCriticPolicy
from stable_baselines3 import DQN
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.policies import ActorCriticPolicy

from agents.algorithms.tabular_q import TabularQ
from agents.evaluation.baselines import Policy
from agents.evaluation.rollouts import agent_policy
from agents.viewing.trace import Kind
from lm_envs.envs.base import EpisodicVectorEnv
from lm_envs.envs.rows import Observations

Preferences = tuple[np.ndarray | None, np.ndarray | None]
"""Preferences (N, A) for discrete actions, and value estimates (N,)."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What a policy does in N rows.

    Attributes:
        actions: (N, ...).
        preferences: (N, A) for each discrete action; None where the policy has none.
        values: (N,) estimates of the reward that follows; None without them.
    """

    actions: np.ndarray
    preferences: np.ndarray | None = None
    values: np.ndarray | None = None


@dataclass(frozen=True, slots=True)
class ViewedPolicy:
    """A policy with a name, and a kind of preferences.

    Attributes:
        name: As it is shown.
        kind: What its preferences are; None without any.
        decide: Returns the decision for an environment and its observations.
    """

    name: str
    kind: Kind | None
    decide: Callable[[EpisodicVectorEnv, Observations], Decision]


def viewed_baseline(name: str, policy: Policy) -> ViewedPolicy:
    """Returns a baseline, which shows no preferences."""
    return ViewedPolicy(name, None, lambda env, seen: Decision(policy(env, seen)))


def viewed_agent(name: str, agent: BaseAlgorithm) -> ViewedPolicy:
    """Returns an agent that takes its deterministic action and shows its preferences."""
    if isinstance(agent, RecurrentPPO):
        return ViewedPolicy(name, "probability", _Recurrent(agent).decide)
    act, show = agent_policy(agent), preferences_of(agent)

    def decide(env: EpisodicVectorEnv, observations: Observations) -> Decision:
        masks = env.action_masks() if isinstance(agent, MaskablePPO) else None
        return Decision(act(env, observations), *show(observations, masks))

    return ViewedPolicy(name, preference_kind(agent), decide)


def preferences_of(
    agent: BaseAlgorithm,
) -> Callable[[Observations, np.ndarray | None], Preferences]:
    """Returns the function from observations, and masks (N, A), to preferences and values."""
    if isinstance(agent, TabularQ):
        return lambda seen, masks: _table(agent.values[np.asarray(seen)])
    policy: Any = agent.policy
    if isinstance(policy, MaskableActorCriticPolicy):
        return lambda seen, masks: _actor_critic(policy, seen, masks)
    if isinstance(policy, ActorCriticPolicy):
        return lambda seen, masks: _actor_critic(policy, seen, None)
    if isinstance(agent, QRDQN):
        return lambda seen, masks: _table(_run(policy, policy.quantile_net, seen).mean(1))
    if isinstance(agent, DQN):
        return lambda seen, masks: _table(_run(policy, policy.q_net, seen))
    if isinstance(agent, ARS) and hasattr(agent.action_space, "n"):
        return lambda seen, masks: (_run(policy, _scores(policy), seen), None)
    return lambda seen, masks: (None, None)


def preference_kind(agent: BaseAlgorithm) -> Kind | None:
    """Returns what an agent's preferences are; None without any."""
    if not hasattr(agent.action_space, "n"):
        return None
    if isinstance(agent.policy, (ActorCriticPolicy, MaskableActorCriticPolicy)):
        return "probability"
    if isinstance(agent, (DQN, QRDQN, TabularQ)):
        return "value"
    return "score" if isinstance(agent, ARS) else None


def _table(values: np.ndarray) -> Preferences:
    """Returns action values (N, A) as preferences, and the best of each row as the estimate."""
    return values, values.max(1)


def _actor_critic(policy: Any, seen: Observations, masks: np.ndarray | None) -> Preferences:  # noqa: ANN401
    with torch.no_grad():
        tensors = policy.obs_to_tensor(seen)[0]
        arguments = () if masks is None else (masks,)
        distribution = policy.get_distribution(tensors, *arguments).distribution
        values = policy.predict_values(tensors).flatten().cpu().numpy()
    return _probabilities(distribution), values


def _probabilities(distribution: Any) -> np.ndarray | None:  # noqa: ANN401 - of PyTorch
    """Returns (N, A) probabilities of a categorical distribution; None for another one."""
    probabilities = getattr(distribution, "probs", None)
    return None if probabilities is None else probabilities.detach().cpu().numpy()


def _run(policy: Any, network: Callable[[Any], torch.Tensor], seen: Observations) -> np.ndarray:  # noqa: ANN401
    with torch.no_grad():
        return network(policy.obs_to_tensor(seen)[0]).cpu().numpy()


def _scores(policy: Any) -> Callable[[Any], torch.Tensor]:  # noqa: ANN401 - ARS's policies
    """Returns the outputs of ARS's network, of which the largest is taken."""
    return lambda seen: policy.action_net(policy.extract_features(seen, policy.features_extractor))


class _Recurrent:
    """An agent with a recurrent state for each row; has to be called at every step."""

    def __init__(self, agent: RecurrentPPO) -> None:
        self._agent = agent
        self._state: tuple[np.ndarray, ...] | None = None

    def decide(self, env: EpisodicVectorEnv, observations: Observations) -> Decision:
        policy: Any = self._agent.policy
        assert isinstance(policy, RecurrentActorCriticPolicy)
        starts, before = env.steps == 0, self._state
        actions, self._state = self._agent.predict(observations, before, starts, deterministic=True)
        if before is None:
            before = tuple(np.zeros_like(part) for part in self._state or ())
        with torch.no_grad():
            tensors: Any = policy.obs_to_tensor(observations)[0]
            state: Any = tuple(torch.as_tensor(part) for part in before)
            begins = torch.as_tensor(starts, dtype=torch.float32)
            distribution = policy.get_distribution(tensors, state, begins)[0].distribution
        return Decision(actions, _probabilities(distribution))
