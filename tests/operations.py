"""Counts what a computation would cost a GPU, by running it without one."""

import torch
from torch.overrides import TorchFunctionMode
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


class HostCopies(TorchFunctionMode):
    """Counts the copies of a block between the host and PyTorch's device "meta".

    A tensor on that device has a type and a shape but no numbers: whatever needs them, such as a
    mask or `item`, raises. What comes back to the host is zeros.
    """

    def __init__(self):
        super().__init__()
        self.to_device = self.to_host = 0

    def __torch_function__(self, func, types, args=(), kwargs=None):
        is_meta = isinstance(args[0], torch.Tensor) and args[0].is_meta if args else False
        if func is torch.Tensor.cpu and is_meta:
            self.to_host += 1
            return torch.zeros(args[0].shape, dtype=args[0].dtype)
        result = func(*args, **(kwargs or {}))
        if func in (torch.as_tensor, torch.tensor, torch.Tensor.to) and not is_meta:
            self.to_device += result.is_meta
        return result


def _indices(args):
    lists = [arg for arg in args if isinstance(arg, (list, tuple))]
    return [each for own in lists for each in own if isinstance(each, torch.Tensor)]
