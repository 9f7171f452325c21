"""Linear layers whose weights are laid out once for the fastest kernel on the device.

`Linear` and `Int8Linear` use oneDNN on CPU, `PackedLinear` and `PackedInt8Linear` the kernels of
`native_linear.cpp`. In all of them a row's result does not depend on how many other rows are
computed with it: the batched and the single environment compute the same numbers, bit for bit.
Knows nothing of the network that the layers belong to.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F

from lm_envs.model.kernels.base import Kernels, LinearLayer
from lm_envs.model.kernels.quantization import ZERO_POINT, quantize_rows

PANEL = 32
"""Outputs in a panel of packed weights, as in `native_linear.cpp`."""

Function = Callable[..., None]
"""A function of the compiled library; takes pointers and sizes."""

Activation = Callable[[torch.Tensor], torch.Tensor]

Quantize = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
"""`Kernels.quantize`."""


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
        self._is_blocked = _can_block(weight)
        self._gelu = gelu
        if self._is_blocked:
            self._weight = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), None)
        else:
            self._weight = weight.contiguous()
        self._attribute = ("gelu", [], "tanh") if gelu else ("none", [], "")

    @property
    def tensors(self) -> tuple[torch.Tensor, ...]:
        """Weights, and biases if there are any."""
        return _given(self._weight, self._bias)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """(M, inputs) -> (M, outputs)."""
        if not self._is_blocked:
            y = F.linear(x, self._weight, self._bias)
            return F.gelu(y, approximate="tanh") if self._gelu else y
        if len(x) == 1:  # oneDNN may split the sum over inputs for one row, but not for two
            return self._multiply(x.expand(2, -1))[:1]
        return self._multiply(x)

    def _multiply(self, x: torch.Tensor) -> torch.Tensor:
        return torch.ops.mkldnn._linear_pointwise(x, self._weight, self._bias, *self._attribute)


class Int8Linear:
    """A `Linear` whose weights and inputs are rounded to int8: one scale an output, one a row.

    Sums of products of int8 values are exact integers, so that rows do not depend on each other
    here either.

    Args:
        weight: (outputs, inputs), on the CPU.
        bias: (outputs,), or None.
        kernels: Quantize the inputs and dequantize the sums.
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
        values, self._scales = quantize_rows(weight)
        self._weight = torch.ops.onednn.qlinear_prepack(values, None)
        self._zeros = torch.zeros(len(values), dtype=torch.int64)
        self._bias = None if bias is None else bias.float().contiguous()
        self._kernels, self._gelu, self._dtype = kernels, gelu, weight.dtype

    @property
    def tensors(self) -> tuple[torch.Tensor, ...]:
        """Weights, their scales, and biases if there are any."""
        return _given(self._weight, self._scales, self._bias)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """(M, inputs) -> (M, outputs)."""
        values, scales = self._kernels.quantize(x)
        return self._kernels.dequantize(
            self.sums(values), scales, self._bias, gelu=self._gelu, dtype=self._dtype
        )

    def sums(self, values: torch.Tensor) -> torch.Tensor:
        """(M, outputs) float32 products of quantized rows (M, inputs) uint8 with scaled weights."""
        unscaled = (1.0, 0, torch.float32, "none", [], "")  # the rows' scales are applied later
        return torch.ops.onednn.qlinear_pointwise(
            values, 1.0, ZERO_POINT, self._weight, self._scales, self._zeros, None, *unscaled
        )


class PackedLinear:
    """`Linear` by our own kernel, which reads weights packed in panels.

    Args:
        function: The kernel for the type of the weights.
        weight: (outputs, inputs), inputs in whole units of 4 bytes.
        bias: (outputs,), or None.
        gelu: Apply GPT-2's GELU to the result.
    """

    def __init__(
        self, function: Function, weight: torch.Tensor, bias: torch.Tensor | None, *, gelu: bool
    ) -> None:
        self._function, self._gelu = function, gelu
        self._outputs, self._inputs = weight.shape
        self._panels = _pack(weight)
        self._bias = None if bias is None else _pad(bias.float())

    @property
    def tensors(self) -> tuple[torch.Tensor, ...]:
        """Weights, and biases if there are any."""
        return _given(self._panels, self._bias)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """(M, inputs) -> (M, outputs)."""
        x = x.contiguous()
        out = x.new_empty(len(x), self._outputs)
        self._function(
            x.data_ptr(),
            self._panels.data_ptr(),
            None if self._bias is None else self._bias.data_ptr(),
            self._gelu,
            out.data_ptr(),
            *(len(x), self._inputs, self._outputs),
            torch.get_num_threads(),
        )
        return out


class PackedInt8Linear:
    """`Int8Linear` by our own kernel, which scales each sum where it is computed.

    Args:
        function: The kernel for quantized rows and weights.
        quantize: Rounds the rows.
        weight: (outputs, inputs), inputs in whole units of 4 bytes.
        bias: (outputs,), or None.
        gelu: Apply GPT-2's GELU to the result.
    """

    def __init__(
        self,
        function: Function,
        quantize: Quantize,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        *,
        gelu: bool,
    ) -> None:
        self._function, self._quantize, self._gelu = function, quantize, gelu
        self._outputs, self._inputs = weight.shape
        values, scales = quantize_rows(weight)
        self._panels, self._scales = _pack(values), _pad(scales)
        self._shifts = _pad(ZERO_POINT * values.sum(1, dtype=torch.int32))
        self._bias = None if bias is None else _pad(bias.float())

    @property
    def tensors(self) -> tuple[torch.Tensor, ...]:
        """Weights, their scales and shifts, and biases if there are any."""
        return _given(self._panels, self._scales, self._shifts, self._bias)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """(M, inputs) -> (M, outputs)."""
        values, row_scales = self._quantize(x)
        out = x.new_empty(len(x), self._outputs)
        self._function(
            values.data_ptr(),
            row_scales.data_ptr(),
            self._panels.data_ptr(),
            self._scales.data_ptr(),
            self._shifts.data_ptr(),
            None if self._bias is None else self._bias.data_ptr(),
            self._gelu,
            out.data_ptr(),
            *(len(x), self._inputs, self._outputs),
            torch.get_num_threads(),
        )
        return out


class ActivatedLinear:
    """A linear layer followed by an activation.

    Args:
        layer: Comes first.
        activation: Of single numbers.
    """

    def __init__(self, layer: LinearLayer, activation: Activation) -> None:
        self._layer, self._activation = layer, activation

    @property
    def tensors(self) -> tuple[torch.Tensor, ...]:
        """Those of the linear layer."""
        return self._layer.tensors

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """(M, inputs) -> (M, outputs)."""
        return self._activation(self._layer(x))


def _given(*tensors: torch.Tensor | None) -> tuple[torch.Tensor, ...]:
    return tuple(tensor for tensor in tensors if tensor is not None)


def _can_block(weight: torch.Tensor) -> bool:
    """Whether oneDNN has a blocked format for these weights here."""
    if weight.device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return False
    if weight.dtype == torch.bfloat16:
        return torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return weight.dtype == torch.float32


def _pack(weight: torch.Tensor) -> torch.Tensor:
    """Weights (outputs, inputs) as (panels, units, PANEL) int32, the last panel filled with zeros.

    A unit is 4 bytes of inputs; of each unit, those of a panel's outputs stand side by side.
    """
    units = weight.contiguous().view(torch.int32)  # (outputs, units)
    num_whole, rest = divmod(len(units), PANEL)
    panels = units.new_zeros(num_whole + (rest > 0), units.shape[1], PANEL)
    whole, last = units.split([num_whole * PANEL, rest])
    panels[:num_whole] = whole.view(num_whole, PANEL, units.shape[1]).transpose(1, 2)
    panels[num_whole:, :, :rest] = last.t()
    return panels


def _pad(outputs: torch.Tensor) -> torch.Tensor:
    """One value an output (O,), followed by zeros to the end of the last panel."""
    return F.pad(outputs, (0, -len(outputs) % PANEL)).contiguous()
