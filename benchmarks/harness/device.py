"""The default device: its clock, its memory, and graphs of repeated work.

On CUDA a graph holds many calls, so that launching from Python does not limit them; on the CPU the
same functions repeat the calls. Knows nothing of models.
"""

import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from lm_envs.model.loading import resolve_device

WARM_UP_CALLS = 3


def default_device() -> torch.device:
    """What `device="auto"` stands for, so that rivals run where our models do."""
    return torch.device(resolve_device("auto"))


def repeated(run: Callable[[], object], count: int) -> Callable[[], object]:
    """`count` calls as one: a replay of a captured graph on CUDA, a loop on the CPU.

    Args:
        run: On CUDA launches kernels only, without a synchronization.
        count: Number of calls.
    """

    def loop() -> None:
        for _ in range(count):
            run()

    if not torch.cuda.is_available():
        return loop
    side = torch.cuda.Stream()  # as torch.cuda.CUDAGraph asks: warm up off the main stream
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(WARM_UP_CALLS):
            run()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        loop()
    return graph.replay


def median_seconds(run: Callable[[], object], repeats: int = 5) -> float:
    """Median time of a call on the device, after one untimed call.

    On CUDA the time between two events around the call, without the host's time before the first.
    """
    run()
    return float(np.median([_seconds(run) for _ in range(repeats)]))


def synchronize() -> None:
    """Waits for kernels that still run on CUDA, which the host's clock would not count."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def reset_peak() -> None:
    """Begins the measurement of `peak_bytes` anew; has no effect on the CPU."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()


def peak_bytes() -> int:
    """Peak memory of this process so far, in bytes.

    On CUDA what PyTorch allocated on the device; on the CPU all memory of the process. Reads VmHWM
    where Linux has it: the peak that `getrusage` reports survives an exec and may be that of the
    parent process.
    """
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    peaks = (int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    return 1024 * next(peaks, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


@contextmanager
def recorded_replays() -> Iterator[list[torch.cuda.CUDAGraph]]:
    """Collects each CUDA graph that is replayed while the block runs, in order."""
    replay, found = torch.cuda.CUDAGraph.replay, []

    def record(self: torch.cuda.CUDAGraph) -> None:
        found.append(self)
        replay(self)

    torch.cuda.CUDAGraph.replay = record  # type: ignore[method-assign]  # for the block only
    try:
        yield found
    finally:
        torch.cuda.CUDAGraph.replay = replay


def _seconds(run: Callable[[], object]) -> float:
    if not torch.cuda.is_available():
        start = time.perf_counter()
        run()
        return time.perf_counter() - start
    torch.cuda.synchronize()
    before, after = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    before.record()
    run()
    after.record()
    after.synchronize()
    return before.elapsed_time(after) / 1e3
