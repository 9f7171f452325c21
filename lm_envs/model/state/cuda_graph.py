"""Functions on the device recorded as CUDA graphs: one launch instead of hundreds.

Owns the static input and output of each recording and the copies between host and device. Knows
nothing of what a function computes.
"""

import gc
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from lm_envs.model.state.host_arrays import HostArrays

WARM_UP_STEPS = 2

Wait = Callable[[], np.ndarray]
"""Waits for the result of a call and returns it, an array that may be kept."""

DeviceFunction = Callable[[torch.Tensor, Any], torch.Tensor]
"""A function of an int64 tensor and a constant; it returns float32. To be recorded, it must
allocate on the device only and never wait for it."""

_STREAMS: dict[torch.device, torch.cuda.Stream] = {}
"""The stream of each device on which graphs are recorded: each further stream that multiplies
would keep a cuBLAS workspace of 32 MiB, and PyTorch's own belongs to the first device only."""


class LaunchedFunction:
    """A `DeviceFunction` that is called anew each time.

    Args:
        function: Runs on `device`.
        device: Where it runs.
    """

    def __init__(self, function: DeviceFunction, device: torch.device) -> None:
        self._function, self._device = function, device

    def __call__(self, values: np.ndarray, constant: Any) -> np.ndarray:  # noqa: ANN401
        """The function's result, an array that may be kept."""
        return self.start(values, constant)()

    def start(self, values: np.ndarray, constant: Any) -> Wait:  # noqa: ANN401
        """Launches the function; other work of the host can be done before its result is needed."""
        output = self.run(values, constant)
        return lambda: output.cpu().numpy()

    def record(self, example: np.ndarray, constant: Any) -> None:  # noqa: ANN401
        """Does nothing: each call launches the function."""

    def run(self, values: np.ndarray, constant: Any) -> torch.Tensor:  # noqa: ANN401
        """The function's result on the device."""
        return self._function(torch.as_tensor(values, device=self._device), constant)


class CapturedFunction:
    """A `DeviceFunction` on CUDA that is recorded once for each constant and shape of the input.

    All recordings share one pool of memory: a result is valid until the next call.

    Args:
        function: Runs on `device`.
        device: A CUDA device; need not be the current one.
        state: Tensors that the function updates in place; recording leaves them unchanged.
        arrays: Pinned arrays for the results.
    """

    def __init__(
        self,
        function: DeviceFunction,
        device: torch.device,
        state: Sequence[torch.Tensor],
        arrays: HostArrays,
    ) -> None:
        self._function, self._device, self._state = function, device, state
        self._arrays, self._pool = arrays, torch.cuda.graph_pool_handle()
        self._recordings: dict[Hashable, _Recording] = {}
        self._is_done = torch.cuda.Event()

    @property
    def num_recordings(self) -> int:
        """How many graphs were recorded."""
        return len(self._recordings)

    def __call__(self, values: np.ndarray, constant: Any) -> np.ndarray:  # noqa: ANN401
        """The function's result, an array that may be kept."""
        return self.start(values, constant)()

    def start(self, values: np.ndarray, constant: Any) -> Wait:  # noqa: ANN401
        """Launches the function; other work of the host can be done before its result is needed."""
        output = self.run(values, constant)
        result = self._arrays.take(tuple(output.shape))
        torch.from_numpy(result).copy_(output, non_blocking=True)
        self._is_done.record(torch.cuda.current_stream(self._device))

        def wait() -> np.ndarray:
            self._is_done.synchronize()  # or a later call's, which ends later
            return result

        return wait

    def record(self, example: np.ndarray, constant: Any) -> None:  # noqa: ANN401
        """Records the function for this constant and inputs of this shape, unless it is recorded.

        Args:
            example: An input. What the function writes for it beside its state has to be harmless.
            constant: The constant.
        """
        key = (example.shape, constant)
        if key in self._recordings:
            return
        with torch.cuda.device(self._device):
            before = [tensor.clone() for tensor in self._state]
            self._recordings[key] = _Recording(
                lambda inputs: self._function(inputs, constant), example, self._device, self._pool
            )
            for tensor, saved in zip(self._state, before, strict=True):
                tensor.copy_(saved)

    def run(self, values: np.ndarray, constant: Any) -> torch.Tensor:  # noqa: ANN401
        """The function's result on the device; overwritten by the next call."""
        self.record(values, constant)
        with torch.cuda.device(self._device):
            return self._recordings[values.shape, constant].replay(values)


def make_function(
    function: DeviceFunction,
    device: torch.device,
    *,
    state: Sequence[torch.Tensor],
    arrays: HostArrays,
    records: bool = True,
) -> LaunchedFunction | CapturedFunction:
    """The function for calls from the host: on CUDA recorded, unless `records` is False.

    Args:
        function: Runs on `device`.
        device: Any device.
        state: Tensors that the function updates in place.
        arrays: For the results of a recorded function; pinned.
        records: Whether to record on CUDA.
    """
    if records and device.type == "cuda":
        return CapturedFunction(function, device, state, arrays)
    return LaunchedFunction(function, device)


class _Recording:
    """A graph with its static input and output, and the input's pinned copy on the host."""

    def __init__(
        self,
        function: Callable[[torch.Tensor], torch.Tensor],
        example: np.ndarray,
        device: torch.device,
        pool: tuple[int, int],
    ) -> None:
        self._host_input = torch.empty(example.shape, dtype=torch.int64, pin_memory=True)
        self._host_input.numpy()[...] = example
        self._input = self._host_input.to(device)
        self._is_copied = torch.cuda.Event()
        self._graph = torch.cuda.CUDAGraph()
        stream = _STREAMS.setdefault(device, torch.cuda.Stream(device))
        stream.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(stream):  # Triton compiles and cuBLAS allocates outside the graph
            for _ in range(WARM_UP_STEPS):
                function(self._input)
        torch.cuda.current_stream(device).wait_stream(stream)
        options = {"pool": pool, "stream": stream, "capture_error_mode": "thread_local"}
        with _no_collection(), torch.cuda.graph(self._graph, **options):
            self._output = function(self._input)

    def replay(self, values: np.ndarray) -> torch.Tensor:
        """The function's result for these values."""
        self._is_copied.synchronize()  # the values of the call before have left the host
        self._host_input.numpy()[...] = values
        self._input.copy_(self._host_input, non_blocking=True)
        self._is_copied.record()
        self._graph.replay()
        return self._output


@contextmanager
def _no_collection() -> Iterator[None]:
    """Keeps Python from freeing another graph during a recording, which would spoil it."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
