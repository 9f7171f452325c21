"""Warm-up of the critic: at the start of a run only the value function learns.

A policy that has imitated others begins with an untrained critic, whose first advantages would move
it at random. Owns which parameters are the actor's. Knows nothing of runs or steps.
"""

from collections.abc import Sequence

import torch
from sb3_contrib import MaskablePPO
from stable_baselines3 import A2C, PPO
from stable_baselines3.common.base_class import BaseAlgorithm


def actor_parameters(model: BaseAlgorithm) -> list[torch.nn.Parameter]:
    """Returns the parameters that the probabilities of actions depend on.

    Where critic and actor share a part, such as the network for images, it is among them.

    Args:
        model: PPO, A2C or MaskablePPO, which has begun a rollout.
    """
    assert isinstance(model, (PPO, A2C, MaskablePPO))
    assert model._last_obs is not None
    policy = model.policy
    distribution = policy.get_distribution(policy.obs_to_tensor(model._last_obs)[0])
    value = distribution.log_prob(distribution.mode()).sum()
    parameters = [each for each in policy.parameters() if each.requires_grad]
    gradients = torch.autograd.grad(value, parameters, allow_unused=True)
    return [p for p, found in zip(parameters, gradients, strict=True) if found is not None]


def set_learning(parameters: Sequence[torch.nn.Parameter], *, is_on: bool) -> None:
    """Sets whether updates change the parameters."""
    for each in parameters:
        each.requires_grad_(is_on)
