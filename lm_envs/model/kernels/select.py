"""Chooses the backend of a model's kernels: Triton on CUDA, C++ on a CPU with a compiler.

Where they are missing, PyTorch's operations compute the same.
"""

import warnings
from collections.abc import Sequence
from functools import lru_cache

import torch

from lm_envs.model.kernels import build, native
from lm_envs.model.kernels.base import Kernels, LayerNorm
from lm_envs.model.kernels.torch_ops import TorchKernels
from lm_envs.validation import first_line


def kernels_for(
    sizes: Sequence[int], dtype: torch.dtype, device: torch.device, is_row_invariant: bool = False
) -> Kernels:
    """Kernels for a model with these sizes of vectors.

    Args:
        sizes: Hidden size, head size and intermediate size: the C++ kernels read and write whole
            vectors of LANES numbers, beyond the end of an array of another size.
        dtype: Type of the linears.
        device: Of the weights.
        is_row_invariant: On CUDA, choose kernels where a row's bits do not depend on other rows;
            those for CPUs have this property always, but for PyTorch's operations.
    """
    if device.type == "cuda":
        return _triton_kernels(device, is_row_invariant) or TorchKernels()
    found = native.kernels(dtype) if device.type == "cpu" else None
    is_whole = all(size % native.LANES == 0 for size in sizes)
    return found if found is not None and is_whole else TorchKernels()


def why_rows_vary(device: torch.device) -> str:
    """Why a row's bits depend on other rows in the kernels for a device, and what to do."""
    if device.type == "cuda":
        return "Triton's kernels are not available; install the triton that your PyTorch asks for"
    if device.type != "cpu":
        return "there are no kernels of ours for it; use device='cpu' or 'cuda'"
    return (
        f"the kernels are {build.status()}, and these compute models whose sizes of hidden states, "
        f"heads and perceptrons are multiples of {native.LANES} only; install a C++ compiler, or "
        "use such a model"
    )


@lru_cache
def _triton_kernels(device: torch.device, is_row_invariant: bool) -> Kernels | None:
    """The Triton kernels if Triton is installed and compiles one of them for this GPU."""
    try:
        from lm_envs.model.kernels.triton_invariant import InvariantKernels
        from lm_envs.model.kernels.triton_ops import TritonKernels

        kernels = InvariantKernels() if is_row_invariant else TritonKernels()
        row = torch.ones(1, 16, device=device)
        kernels.add_norm(row, None, LayerNorm(row[0], row[0], 1e-5), torch.float32)
        torch.cuda.synchronize(device)
    except Exception as error:  # a compiler's errors have no common class
        warnings.warn(
            f"Triton's kernels are not available on {device} ({first_line(error)}); PyTorch "
            "computes the same more slowly. Install the version of triton that your PyTorch asks "
            "for.",
            RuntimeWarning,
            stacklevel=2,
        )
        return None
    return kernels
