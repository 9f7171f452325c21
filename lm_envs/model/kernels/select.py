"""Chooses the backend of a model's kernels: C++ on a CPU with a compiler, PyTorch elsewhere."""

from collections.abc import Sequence

import torch

from lm_envs.model.kernels import native
from lm_envs.model.kernels.base import Kernels
from lm_envs.model.kernels.torch_ops import TorchKernels


def kernels_for(sizes: Sequence[int], dtype: torch.dtype, device: torch.device) -> Kernels:
    """Kernels for a model with these sizes of vectors.

    Args:
        sizes: Hidden size, head size and intermediate size: the C++ kernels read and write whole
            vectors of LANES numbers, beyond the end of an array of another size.
        dtype: Type of the linears.
        device: Of the weights.
    """
    found = native.kernels(dtype) if device.type == "cpu" else None
    is_whole = all(size % native.LANES == 0 for size in sizes)
    return found if found is not None and is_whole else TorchKernels()
