"""Stops training at the first NaN or infinity, before it can reach the weights or a checkpoint.

Owns where finiteness is looked for: rewards as they arrive, every linear layer's output, every
gradient as it is computed, and the weights before they are saved.
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
    """Refuses a NaN or infinite reward of N rows.

    Raises:
        FloatingPointError: Naming the step, the row, and the terms where an episode's end tells.
    """
    if np.isfinite(rewards).all():
        return
    row = int((~np.isfinite(rewards)).argmax())
    scores = infos[row].get("scores", {})
    terms = [name for name, value in scores.items() if not np.isfinite(value)]
    blamed = f" (terms: {', '.join(terms)})" if terms else ""
    raise FloatingPointError(
        f"Got reward={rewards[row]} in row {row} at step {step}{blamed}; allowed: finite numbers. "
        "The agent has not seen it and the last checkpoint is intact; mend the reward."
    )


def check_parameters(policy: torch.nn.Module, step: int) -> None:
    """Refuses NaN or infinite weights.

    Raises:
        FloatingPointError: Naming the step and the weights.
    """
    for name, parameter in policy.named_parameters():
        _check(f"weights of {name}", lambda: step, parameter.detach())


def guard(policy: torch.nn.Module, step: Callable[[], int]) -> None:
    """Makes every later forward and backward pass raise at the first NaN or infinity.

    Gradients are looked at as autograd hands them over, so before the optimizer's step and before
    clipping, which would spread a NaN from one loss term to all weights.

    Args:
        policy: Networks to watch.
        step: Tells the environment step, for the message.
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
