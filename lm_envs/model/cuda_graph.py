"""Decoding steps recorded as CUDA graphs: one launch instead of hundreds.

Owns the static input and output of each recording. Knows nothing of what a step computes.
"""

from collections.abc import Callable, Sequence

import torch

WARM_UP_STEPS = 3


class CapturedStep:
    """A function of one tensor, replayed with new input values in the same memory.

    Recording runs the function a few times; the caller restores state that it updates in place.

    Args:
        function: Reads its argument, allocates only on the device, never synchronizes.
        example: An input of the right shape and type, on CUDA.
    """

    def __init__(
        self, function: Callable[[torch.Tensor], torch.Tensor], example: torch.Tensor
    ) -> None:
        self._input = example.clone()
        side = torch.cuda.Stream()  # as torch.cuda.CUDAGraph asks: warm up off the main stream
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM_UP_STEPS):
                function(self._input)
        torch.cuda.current_stream().wait_stream(side)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._output = function(self._input)

    def __call__(self, value: torch.Tensor) -> torch.Tensor:
        """The function's result; overwritten by the next call."""
        self._input.copy_(value)
        self._graph.replay()
        return self._output


class CapturedSteps:
    """A function of a tensor and a constant, recorded once for each constant.

    Args:
        function: As for `CapturedStep`, with one more argument.
        state: Tensors that the function updates in place; recording leaves them unchanged.
    """

    def __init__(
        self,
        function: Callable[[torch.Tensor, int], torch.Tensor],
        state: Sequence[torch.Tensor],
    ) -> None:
        self._function, self._state = function, state
        self._steps: dict[int, CapturedStep] = {}

    def __call__(self, value: torch.Tensor, constant: int) -> torch.Tensor:
        """The function's result; overwritten by the next call with the same constant."""
        if constant not in self._steps:
            before = [tensor.clone() for tensor in self._state]
            self._steps[constant] = CapturedStep(
                lambda static: self._function(static, constant), value
            )
            for tensor, saved in zip(self._state, before, strict=True):
                tensor.copy_(saved)
        return self._steps[constant](value)
