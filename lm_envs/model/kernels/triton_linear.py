"""A product of fixed tiles as a Triton kernel: each number is summed by one program, in one order.

cuBLAS chooses tiles by the number of rows and may divide a sum among programs, so that the bits of
a row change with the rows beside it. `triton_invariant` launches the kernel.
Source of the idea: https://thinkingmachines.ai/blog/defeating-nondeterminism-in-llm-inference/
"""

import triton
import triton.language as tl


@triton.jit(do_not_specialize=["num_rows"])  # one program for all numbers of rows
def multiply(
    x,
    weight,
    bias,
    out,
    num_rows,
    num_outputs,
    num_inputs,
    ROWS: tl.constexpr,
    OUTPUTS: tl.constexpr,
    INPUTS: tl.constexpr,
    HAS_BIAS: tl.constexpr,
    GELU: tl.constexpr,
    UPCASTS: tl.constexpr,
):
    """out (num_rows, num_outputs) = x weight^T + bias, and GELU (tanh form) of it with GELU.

    x: (num_rows, num_inputs). weight: (num_outputs, num_inputs). Sums are float32. UPCASTS:
    multiply in float32, because Triton's interpreter cannot multiply bfloat16.
    """
    row = (tl.program_id(0) * ROWS + tl.arange(0, ROWS)).to(tl.int64)
    output = (tl.program_id(1) * OUTPUTS + tl.arange(0, OUTPUTS)).to(tl.int64)
    is_row, is_output = row < num_rows, output < num_outputs
    total = tl.zeros((ROWS, OUTPUTS), tl.float32)
    for start in range(0, num_inputs, INPUTS):
        column = start + tl.arange(0, INPUTS)
        is_column = (column < num_inputs)[None, :]
        a = x + row[:, None] * num_inputs + column[None, :]
        b = weight + output[:, None] * num_inputs + column[None, :]
        left = tl.load(a, mask=is_row[:, None] & is_column, other=0.0)
        right = tl.load(b, mask=is_output[:, None] & is_column, other=0.0)
        if UPCASTS:
            left, right = left.to(tl.float32), right.to(tl.float32)
        total = tl.dot(left, tl.trans(right), total, input_precision="ieee")
    if HAS_BIAS:
        total += tl.load(bias + output, mask=is_output, other=0.0).to(tl.float32)[None, :]
    if GELU:  # x (1 + tanh(u)) / 2 = x sigmoid(2 u)
        total *= tl.sigmoid(1.5957691216057308 * (total + 0.044715 * total * total * total))
    at = row[:, None] * num_outputs + output[None, :]
    tl.store(out + at, total.to(out.dtype.element_ty), mask=is_row[:, None] & is_output[None, :])
