"""Activations of perceptrons by their names in transformers, as PyTorch operations."""

from collections.abc import Callable, Mapping
from functools import partial

import torch
import torch.nn.functional as F

Activation = Callable[[torch.Tensor], torch.Tensor]

_gelu_tanh = partial(F.gelu, approximate="tanh")

ACTIVATIONS: Mapping[str, Activation] = {
    "gelu": F.gelu,
    "gelu_new": _gelu_tanh,
    "gelu_fast": _gelu_tanh,
    "gelu_pytorch_tanh": _gelu_tanh,
    "relu": F.relu,
    "silu": F.silu,
}
"""Three names stand for GELU's tanh form: they write the same formula in different ways.

Source: https://github.com/huggingface/transformers/blob/v5.0.0/src/transformers/activations.py
"""


def is_gelu_tanh(name: str) -> bool:
    """Whether an activation is GELU's tanh form, which linear layers compute with their product."""
    return ACTIVATIONS[name] is _gelu_tanh
