"""Stops training at the first NaN or infinity, before it reaches the weights or a checkpoint.

Owns the places of the checks: rewards, the output of every linear layer, every gradient, and the
weights before they are saved. Knows nothing of algorithms.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch

REMEDY = (
    "The weights were not updated with it and the last checkpoint is intact. Lower "
    "algorithm.kwargs.learning_rate and begin another run with --set name=…."
)


def check_rewards(rewards: np.ndarray, infos: Sequence[Mapping[str, Any]], step: int) -> None:
    """Checks the rewards (N,) of one step.

    Raises:
        FloatingPointError: If one is NaN or infinite; the message names the step, the row and, at
            the end of an episode, the reward terms.
    """
    if np.isfinite(rewards).all():
        return
    row = int((~np.isfinite(rewards)).argmax())
    scores = infos[row].get("scores", {})
    terms = [name for name, value in scores.items() if not np.isfinite(value)]
    listed = f" (terms: {', '.join(terms)})" if terms else ""
    raise FloatingPointError(
        f"Got reward={rewards[row]} in row {row} at step {step}{listed}; allowed: finite numbers. "
        "The agent has not received it and the last checkpoint is intact; correct the reward."
    )


def check_parameters(policy: torch.nn.Module, step: int) -> None:
    """Checks the weights.

    Raises:
        FloatingPointError: If one is NaN or infinite; the message names the step and the weights.
    """
    for name, parameter in policy.named_parameters():
        _check(f"weights of {name}", lambda: step, parameter.detach())


def guard(policy: torch.nn.Module, step: Callable[[], int]) -> None:
    """Registers hooks that raise FloatingPointError at the first NaN or infinity in any pass.

    Gradients are checked as autograd computes them: before the optimizer's step, and before
    clipping, which would spread a NaN from one loss term to all weights.

    Args:
        policy: Module whose linear layers and parameters get hooks.
        step: Returns the environment step, for the message.
    """
    for name, parameter in policy.named_parameters():
        if parameter.requires_grad:
            parameter.register_hook(partial(_check, f"gradient of {name}", step))
    for name, module in policy.named_modules():
        if isinstance(module, torch.nn.Linear):
            module.register_forward_hook(partial(_check_output, f"output of {name}", step))


def _check_output(
    what: str,
    step: Callable[[], int],
    module: torch.nn.Module,
    inputs: object,
    output: torch.Tensor,
) -> None:
    _check(what, step, output.detach())


def _check(what: str, step: Callable[[], int], values: torch.Tensor) -> None:
    if not torch.isfinite(values).all():
        raise FloatingPointError(
            f"Got NaN or infinity in the {what} at step {step()}; allowed: finite numbers. {REMEDY}"
        )
