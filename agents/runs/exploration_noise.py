"""Noise of state-dependent exploration (`use_sde`) in a checkpoint.

Stable-Baselines3 draws the noise of a rollout just before the moment at which a run is saved. A
resumed run draws it a second time; this module puts the first noise back, and the random state
after it. Knows nothing of files.

Source: Raffin et al. 2022, https://arxiv.org/abs/2005.05719.
"""

from collections.abc import Mapping
from typing import Any

import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.distributions import StateDependentNoiseDistribution

_MATRICES = ("exploration_mat", "exploration_matrices")
"""Attributes of the distribution: the noise of one row, and of each row of a batch."""


def exploration_noise(model: BaseAlgorithm) -> dict[str, Any]:
    """Returns the noise of the rollout that begins, and PyTorch's random state after it.

    Empty if the algorithm does not explore in this way, or has drawn no noise yet.
    """
    distribution = _distribution(model)
    if distribution is None or not hasattr(distribution, _MATRICES[0]):
        return {}
    found = {name: getattr(distribution, name).detach().cpu() for name in _MATRICES}
    is_on_gpu = torch.cuda.is_initialized()
    cuda = torch.cuda.get_rng_state_all() if is_on_gpu else []
    return {**found, "torch": torch.get_rng_state(), "cuda": cuda}


def restore_exploration_noise(model: BaseAlgorithm, state: Mapping[str, Any]) -> None:
    """Puts back what `exploration_noise` returned; to be called once the noise is drawn anew."""
    distribution = _distribution(model)
    if distribution is None or not state:
        return
    for name in _MATRICES:
        matrix = torch.as_tensor(state[name], device=model.device)
        setattr(distribution, name, matrix)
    torch.set_rng_state(torch.as_tensor(state["torch"]))
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    for device, each in enumerate(state["cuda"][:count]):
        torch.cuda.set_rng_state(torch.as_tensor(each), device)


def _distribution(model: BaseAlgorithm) -> StateDependentNoiseDistribution | None:
    owner = getattr(model, "actor", None) or model.policy  # off-policy algorithms have an actor
    found = getattr(owner, "action_dist", None)
    return found if isinstance(found, StateDependentNoiseDistribution) else None
