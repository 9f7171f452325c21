"""Triton's kernels where a row's numbers do not depend on the rows beside it, for CUDA.

Owns what `TritonKernels` leaves to kernels that are chosen by shape: products, attention of full
batches, and PyTorch's reductions. Imported only where Triton is installed.
"""

# pyright: reportMissingImports=false, reportIndexIssue=false, reportCallIssue=false, reportArgumentType=false
# Triton is optional and untyped.

from typing import NamedTuple

import torch
import triton

from lm_envs.model.kernels import triton_linear, triton_rows
from lm_envs.model.kernels.triton_ops import IS_INTERPRETED, TritonKernels
from lm_envs.model.kernels.triton_top_k import LOGITS_PER_BLOCK, power_of_two


class Tile(NamedTuple):
    """What a program computes, and how many inputs it reads at a time."""

    rows: int
    outputs: int
    inputs: int


TILES = {torch.bfloat16: Tile(64, 32, 128), torch.float32: Tile(64, 32, 32)}
"""By type. Few outputs, so that the layers of a small model have programs for most of a card."""


class TiledLinear:
    """A linear layer by `triton_linear.multiply`, optionally followed by GELU (tanh form).

    Args:
        weight: (outputs, inputs), float32 or bfloat16.
        bias: (outputs,), or None.
        gelu: Apply GELU to the result.
        tile: None for that of the type in `TILES`.
    """

    def __init__(
        self,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        *,
        gelu: bool,
        tile: Tile | None = None,
    ) -> None:
        self._weight = weight.contiguous()
        self._bias = None if bias is None else bias.to(weight.dtype, copy=True).contiguous()
        self._gelu = gelu
        self._tile = tile or TILES[weight.dtype]

    @property
    def tensors(self) -> tuple[torch.Tensor, ...]:
        """Weights, and biases if there are any."""
        return (self._weight,) if self._bias is None else (self._weight, self._bias)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """(M, inputs) -> (M, outputs)."""
        x = x.contiguous()
        num_outputs, num_inputs = self._weight.shape
        out = x.new_empty(len(x), num_outputs)
        rows, outputs, inputs = self._tile
        triton_linear.multiply[(triton.cdiv(len(x), rows), triton.cdiv(num_outputs, outputs))](
            x,
            self._weight,
            self._weight if self._bias is None else self._bias,
            out,
            len(x),
            num_outputs,
            num_inputs,
            ROWS=rows,
            OUTPUTS=outputs,
            INPUTS=inputs,
            HAS_BIAS=self._bias is not None,
            GELU=self._gelu,
            UPCASTS=IS_INTERPRETED,
        )
        return out


class InvariantKernels(TritonKernels):
    """`TritonKernels` with one product for all numbers of rows, and one attention for all texts.

    A token's numbers depend on its text alone: they are also the same for a text that is read at
    once, in parts, or written token by token.
    """

    is_row_invariant = True

    def linear(
        self, weight: torch.Tensor, bias: torch.Tensor | None, *, gelu: bool, int8: bool
    ) -> TiledLinear:
        """See `Kernels`."""
        return TiledLinear(weight, bias, gelu=gelu)

    def rms_norm(self, x: torch.Tensor, gain: torch.Tensor, epsilon: float) -> torch.Tensor:
        """See `TorchKernels`."""
        x, size = x.contiguous(), x.shape[-1]
        outputs = torch.empty_like(x)
        triton_rows.add_norm[(x.numel() // size,)](
            *(x, x, gain, gain, outputs, epsilon),
            SIZE=size,
            COLUMNS=power_of_two(size),
            HAS_UPDATE=False,
            CENTERS=False,
        )
        return outputs

    def log_sum_exp(self, logits: torch.Tensor, finite: torch.Tensor) -> torch.Tensor:
        """See `Kernels`; PyTorch's sums depend on where in memory a row begins."""
        found = torch.empty(len(logits), device=logits.device)
        triton_rows.log_sum[(len(logits),)](
            logits, found, logits.stride(0), logits.shape[1], BLOCK=LOGITS_PER_BLOCK
        )
        return found

    def largest(self, logits: torch.Tensor, count: int) -> torch.Tensor:
        """See `TorchKernels`; equal logits are taken by id, not as the number of rows decides."""
        return logits.sort(dim=-1, descending=True, stable=True).indices[:, :count]
