"""One decoding step recorded as a CUDA graph: one launch where there were hundreds.

Owns the static input and output of the recording. Knows nothing of what the step computes.
"""

from collections.abc import Callable

import torch

WARM_UP_STEPS = 3


class CapturedStep:
    """A function of one tensor, replayed with new values in the same memory.

    Recording runs the function a few times: state that it updates in place is the caller's to
    restore.

    Args:
        function: Reads its argument, allocates only on the device, never synchronizes.
        example: An input of the right shape and type, on CUDA.
    """

    def __init__(
        self, function: Callable[[torch.Tensor], torch.Tensor], example: torch.Tensor
    ) -> None:
        self._input = example.clone()
        side = torch.cuda.Stream()
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
