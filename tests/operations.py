"""Counts what a computation would cost a GPU, by running it on the CPU."""

import torch
from torch.utils._python_dispatch import TorchDispatchMode


class Operations(TorchDispatchMode):
    """Counts the operations of a block, and those after which a host waits for a GPU.

    These are values that Python reads, and shapes that depend on values, such as those of masks.
    """

    def __init__(self):
        super().__init__()
        self.count = self.waits = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = str(func)
        if "detach" not in name:  # an alias, which computes nothing
            self.count += 1
        masks = [index for index in _indices(args) if index.dtype == torch.bool]
        self.waits += "_local_scalar_dense" in name or "nonzero" in name or bool(masks)
        return func(*args, **(kwargs or {}))


def _indices(args):
    lists = [arg for arg in args if isinstance(arg, (list, tuple))]
    return [each for own in lists for each in own if isinstance(each, torch.Tensor)]
