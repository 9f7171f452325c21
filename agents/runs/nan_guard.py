"""Stops training at the first NaN or infinity, before it reaches the weights or a checkpoint.

Owns the places of the checks: rewards, the output of every linear layer, every gradient, and the
weights before they are saved. Knows nothing of algorithms. A backward pass is checked once, at its
end: on a GPU each reading of a result would wait for all computations before it.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.utils.hooks import RemovableHandle

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


def guard(
    policy: torch.nn.Module, step: Callable[[], int], *, unchecked: Collection[str] = ()
) -> list[RemovableHandle]:
    """Registers hooks that raise FloatingPointError at the first NaN or infinity in any pass.

    Gradients, and outputs that have one, are checked at the end of the backward pass: before the
    optimizer's step, and before clipping, which would spread a NaN from one loss term to all
    weights. Other outputs are checked as they are computed.

    Args:
        policy: Module whose linear layers and parameters get hooks.
        step: Returns the environment step, for the message.
        unchecked: Names of submodules whose outputs are not checked, such as those whose NaN would
            reach another output.

    Returns:
        Handles whose `remove` ends the checks. Python cannot free a policy while it has hooks,
        since autograd holds those of parameters.
    """
    backward, handles = _BackwardCheck(step), []
    for name, parameter in policy.named_parameters():
        if parameter.requires_grad:
            hook = partial(backward.add_gradient, f"gradient of {name}")
            handles.append(parameter.register_hook(hook))
    for name, module in policy.named_modules():
        is_checked = not any(name == own or name.startswith(f"{own}.") for own in unchecked)
        if isinstance(module, torch.nn.Linear) and is_checked:
            check = partial(backward.check_output, f"output of {name}")
            handles.append(module.register_forward_hook(check))
    return handles


class _BackwardCheck:
    """The outputs and gradients of a pass, checked together at its end.

    Args:
        step: Returns the environment step, for the message.
    """

    def __init__(self, step: Callable[[], int]) -> None:
        self._step = step
        self._outputs: dict[str, torch.Tensor] = {}
        self._gradients: dict[str, torch.Tensor] = {}

    def check_output(
        self, what: str, module: torch.nn.Module, inputs: object, output: torch.Tensor
    ) -> None:
        if output.requires_grad:
            self._outputs[what] = output.detach()  # of the last call, if there are several
        else:
            _check(what, self._step, output)

    def add_gradient(self, what: str, gradient: torch.Tensor) -> None:
        if not self._gradients:  # the engine calls it once, when all gradients are computed
            torch.autograd.Variable._execution_engine.queue_callback(self._check_all)
        # An alias: with another reference to the gradient itself, autograd would copy it.
        self._gradients[what] = gradient.detach()

    def _check_all(self) -> None:
        values = self._outputs | self._gradients
        self._outputs, self._gradients = {}, {}
        with torch.no_grad():
            # The largest magnitude is NaN or infinite if any entry is, and cannot overflow.
            norms = torch._foreach_norm(list(values.values()), torch.inf)  # type: ignore[attr-defined]  # documented, not exported
            largest = torch.stack(norms)
            if bool(largest.isfinite().all()):  # waits for the device: once in a pass
                return
            for what, each in zip(values, largest.tolist(), strict=True):
                if not np.isfinite(each):
                    raise _error(what, self._step)


def _check(what: str, step: Callable[[], int], values: torch.Tensor) -> None:
    if not torch.isfinite(values).all():
        raise _error(what, step)


def _error(what: str, step: Callable[[], int]) -> FloatingPointError:
    return FloatingPointError(
        f"Got NaN or infinity in the {what} at step {step()}; allowed: finite numbers. {REMEDY}"
    )
