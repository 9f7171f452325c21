"""Linear layers by the kernels of `native_products.cpp`, which read weights laid out in panels.

Owns the layout: of each unit of inputs, 4 bytes, those of a panel's outputs side by side. A row's
result does not depend on how many other rows are computed with it.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F

from lm_envs.model.kernels.quantization import ZERO_POINT, quantize_rows

PANEL = 32
"""Outputs in a panel."""

Function = Callable[..., None]
"""A function of the compiled library: pointers and sizes in."""

Quantise = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


class PackedLinear:
    """As `lm_envs.model.kernels.linear.Linear`.

    Args:
        product: The kernel for the type of the weights.
        weight: (outputs, inputs), inputs in whole units.
        bias: (outputs,), or None.
        gelu: Apply GPT-2's GELU to the result.
    """

    def __init__(
        self, product: Function, weight: torch.Tensor, bias: torch.Tensor | None, *, gelu: bool
    ) -> None:
        self._product, self._gelu = product, gelu
        self._outputs, self._inputs = weight.shape
        self._panels = _panels(weight)
        self._bias = None if bias is None else _whole(bias.float())

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """(M, inputs) -> (M, outputs)."""
        x = x.contiguous()
        out = x.new_empty(len(x), self._outputs)
        sizes = (len(x), self._inputs, self._outputs, torch.get_num_threads())
        self._product(*pointers_of(x, self._panels, self._bias), self._gelu, out.data_ptr(), *sizes)
        return out


class PackedInt8Linear:
    """As `lm_envs.model.kernels.linear.Int8Linear`, but that sums are scaled where they come about.

    Args:
        product: The kernel for codes of rows and weights.
        quantize: Rounds the rows.
        weight: (outputs, inputs), inputs in whole units.
        bias: (outputs,), or None.
        gelu: Apply GPT-2's GELU to the result.
    """

    def __init__(
        self,
        product: Function,
        quantize: Quantise,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        *,
        gelu: bool,
    ) -> None:
        self._product, self._quantize, self._gelu = product, quantize, gelu
        self._outputs, self._inputs = weight.shape
        codes, scales = quantize_rows(weight)
        self._panels, self._scales = _panels(codes), _whole(scales)
        self._shifts = _whole(ZERO_POINT * codes.sum(1, dtype=torch.int32))
        self._bias = None if bias is None else _whole(bias.float())

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """(M, inputs) -> (M, outputs)."""
        codes, row_scales = self._quantize(x)
        out = x.new_empty(len(x), self._outputs)
        pointers = pointers_of(
            codes, row_scales, self._panels, self._scales, self._shifts, self._bias
        )
        sizes = (len(x), self._inputs, self._outputs, torch.get_num_threads())
        self._product(*pointers, self._gelu, out.data_ptr(), *sizes)
        return out


def _panels(weight: torch.Tensor) -> torch.Tensor:
    """(panels, units, PANEL) int32: weights (outputs, inputs) and zeros to the last panel's end."""
    units = weight.contiguous().view(torch.int32)  # (outputs, units)
    num_whole, rest = divmod(len(units), PANEL)
    panels = units.new_zeros(num_whole + (rest > 0), units.shape[1], PANEL)
    whole, last = units.split([num_whole * PANEL, rest])
    panels[:num_whole] = whole.view(num_whole, PANEL, units.shape[1]).transpose(1, 2)
    panels[num_whole:, :, :rest] = last.t()
    return panels


def _whole(values: torch.Tensor) -> torch.Tensor:
    """Values of outputs (O,), and zeros to the last panel's end."""
    return F.pad(values, (0, -len(values) % PANEL)).contiguous()


def pointers_of(*tensors: torch.Tensor | None) -> list[int | None]:
    """Where tensors lie, as the library's functions ask for it; None for None."""
    return [None if tensor is None else tensor.data_ptr() for tensor in tensors]
