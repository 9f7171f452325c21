"""Stable-Baselines3's policy as a module of RLlib: checkpoints of both have the same tensors.

Owns the translation of their distributions. Knows nothing of environments.
"""
# pyright: reportMissingImports=false

from typing import Any

import gymnasium as gym
import torch
from ray.rllib.core.columns import Columns
from ray.rllib.core.rl_module.apis.value_function_api import ValueFunctionAPI
from ray.rllib.core.rl_module.torch import TorchRLModule

from agents.algorithms.factory import make_policy
from agents.config.train import TrainConfig

PREFIX = "policy."
"""Of the names of the policy's tensors in the state of the module."""


class PolicyModule(TorchRLModule, ValueFunctionAPI):
    """The actor-critic policy of a configuration; `model_config["config"]` has its plain values."""

    def setup(self) -> None:
        """Builds the policy, untrained; RLlib calls it in each process."""
        config = TrainConfig.model_validate(self.model_config["config"])
        self.policy = make_policy(config, self.observation_space, self.action_space)

    def _forward(self, batch: dict[str, Any], **kwargs: Any) -> dict[str, Any]:  # noqa: ANN401
        distribution = self.policy.get_distribution(batch[Columns.OBS]).distribution
        return {Columns.ACTION_DIST_INPUTS: self._to_inputs(distribution)}

    def compute_values(
        self,
        batch: dict[str, Any],
        embeddings: Any = None,  # noqa: ANN401 - RLlib's argument, not used here
    ) -> torch.Tensor:
        """Returns the values of states, (N,)."""
        return self.policy.predict_values(batch[Columns.OBS]).squeeze(-1)

    def _to_inputs(self, distribution: Any) -> torch.Tensor:  # noqa: ANN401 - of torch
        """Returns logits (N, A), or means and logarithms of deviations, (N, 2 D)."""
        if isinstance(self.action_space, gym.spaces.Discrete):
            return distribution.logits
        return torch.cat([distribution.mean, distribution.stddev.log()], -1)
