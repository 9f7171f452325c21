"""Arrays on the host that are used again: pinned memory, and memory that need not be cleared.

A copy of 3 MB into new memory takes longer than the same copy from a GPU, because the operating
system has to provide each page first. Knows nothing of what the arrays hold.
"""

import sys

import numpy as np
import torch

MOST_ARRAYS = 8
"""Arrays of one shape that are kept; a caller that keeps more gets ordinary memory."""

_REFERENCES_IF_FREE = 3
"""What `sys.getrefcount` finds for an array in the list: the list, the variable, its argument."""


class HostArrays:
    """Uninitialized float32 arrays, each used again as soon as nothing refers to it or its views.

    Args:
        pinned: Allocate memory that a GPU reads and writes by itself.
    """

    def __init__(self, *, pinned: bool) -> None:
        self._pinned = pinned
        self._arrays: dict[tuple[int, ...], list[np.ndarray]] = {}

    def take(self, shape: tuple[int, ...]) -> np.ndarray:
        """An array of this shape to which nothing else refers."""
        arrays = self._arrays.setdefault(shape, [])
        for array in arrays:
            if sys.getrefcount(array) == _REFERENCES_IF_FREE:
                return array
        if len(arrays) == MOST_ARRAYS:
            return np.empty(shape, np.float32)
        arrays.append(torch.empty(shape, pin_memory=self._pinned).numpy())
        return arrays[-1]

    def copy(self, array: np.ndarray) -> np.ndarray:
        """A copy of a float32 array."""
        copied = self.take(array.shape)
        np.copyto(copied, array)
        return copied
