"""Linear layers laid out once for PyTorch's fastest kernel on the device.

Owns the choice among them. On CPU weights are reordered into oneDNN's blocked format, in which
a row's result does not depend on how many other rows are computed with it: the batched and the
single environment see the same numbers, bit for bit.
"""

import torch
import torch.nn.functional as F

from lm_envs.model.kernels.base import Kernels
from lm_envs.model.kernels.quantization import ZERO_POINT, quantize_rows


class Linear:
    """`x W^T + b`, optionally followed by GELU (tanh form), on (M, inputs) rows.

    Args:
        weight: (outputs, inputs).
        bias: (outputs,), or None.
        gelu: Apply GPT-2's GELU to the result.
    """

    def __init__(
        self, weight: torch.Tensor, bias: torch.Tensor | None, *, gelu: bool = False
    ) -> None:
        self._bias = None if bias is None else bias.contiguous()
        self._is_packed = _can_pack(weight)
        self._gelu = gelu
        if self._is_packed:
            self._weight = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), None)
        else:
            self._weight = weight.contiguous()
        self._attribute = ("gelu", [], "tanh") if gelu else ("none", [], "")

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """(M, inputs) -> (M, outputs)."""
        if not self._is_packed:
            y = F.linear(x, self._weight, self._bias)
            return F.gelu(y, approximate="tanh") if self._gelu else y
        if len(x) == 1:  # alone, oneDNN may split the sum over inputs; two rows are as many
            return self._packed(x.expand(2, -1))[:1]
        return self._packed(x)

    def _packed(self, x: torch.Tensor) -> torch.Tensor:
        return torch.ops.mkldnn._linear_pointwise(x, self._weight, self._bias, *self._attribute)


class Int8Linear:
    """A `Linear` whose factors are rounded to 8 bits: one scale an output, one a row.

    Sums of products of codes are exact, so that rows do not depend on each other either.

    Args:
        weight: (outputs, inputs), on the CPU.
        bias: (outputs,), or None.
        kernels: Round the rows.
        gelu: Apply GPT-2's GELU to the result.
    """

    def __init__(
        self,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        kernels: Kernels,
        *,
        gelu: bool = False,
    ) -> None:
        codes, self._scales = quantize_rows(weight)
        self._weight = torch.ops.onednn.qlinear_prepack(codes, None)
        self._zeros = torch.zeros(len(codes), dtype=torch.int64)
        self._bias = None if bias is None else bias.float().contiguous()
        self._kernels, self._gelu, self._dtype = kernels, gelu, weight.dtype

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """(M, inputs) -> (M, outputs)."""
        codes, scales = self._kernels.quantize(x)
        sums = self.sums(codes)
        return self._kernels.dequantize(
            sums, scales, self._bias, gelu=self._gelu, dtype=self._dtype
        )

    def sums(self, codes: torch.Tensor) -> torch.Tensor:
        """(M, outputs) float32 products of codes (M, inputs) uint8, times the outputs' scales."""
        as_they_are = (1.0, 0, torch.float32, "none", [], "")
        return torch.ops.onednn.qlinear_pointwise(
            codes, 1.0, ZERO_POINT, self._weight, self._scales, self._zeros, None, *as_they_are
        )


def _can_pack(weight: torch.Tensor) -> bool:
    if weight.device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return False
    if weight.dtype == torch.bfloat16:
        return torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return weight.dtype == torch.float32
