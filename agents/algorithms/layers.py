"""Layers of a small network, with an activation after each. Knows nothing of its input."""

from collections.abc import Sequence
from itertools import pairwise

from torch import nn


def layers(widths: Sequence[int], activation: type[nn.Module]) -> list[nn.Module]:
    """Returns linear layers from each width to the next, with an activation after each."""
    return [module for pair in pairwise(widths) for module in (nn.Linear(*pair), activation())]
