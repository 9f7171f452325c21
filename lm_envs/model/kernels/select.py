"""Chooses the backend of a model's kernels: C++ on a CPU with a compiler, PyTorch elsewhere."""

import torch

from lm_envs.model.kernels import native
from lm_envs.model.kernels.base import Kernels
from lm_envs.model.kernels.torch_ops import TorchKernels


def kernels_for(
    hidden_size: int, head_size: int, dtype: torch.dtype, device: torch.device
) -> Kernels:
    """Kernels for a model of this shape; the C++ ones need sizes in whole vectors of LANES."""
    found = native.kernels(dtype) if device.type == "cpu" else None
    is_whole = hidden_size % native.LANES == 0 and head_size % native.LANES == 0
    return found if found is not None and is_whole else TorchKernels()
