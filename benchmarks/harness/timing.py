"""Clocks: warm up, synchronize, repeat, and time the competitors in turn.

Owns how a duration is measured and how its spread is stated. Knows nothing of models.
"""

import os
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.harness.device import synchronize
from lm_envs.model.kernels import build
from lm_envs.model.state.memory import total_memory

NOISY = 0.25
"""Largest spread (interquartile range over median) at which a comparison still means something."""

PACKAGES = ("torch", "transformers", "gymnasium", "stable-baselines3", "numpy")


@dataclass(frozen=True, slots=True)
class Timing:
    """Durations of repeated runs.

    Attributes:
        median: Seconds.
        iqr: Interquartile range, seconds.
        repeats: Number of runs.
    """

    median: float
    iqr: float
    repeats: int

    @property
    def is_noisy(self) -> bool:
        """Whether the spread is too large for a comparison."""
        return self.iqr > NOISY * self.median

    def as_dict(self) -> dict[str, Any]:
        """All fields and `is_noisy`, for JSON."""
        return asdict(self) | {"is_noisy": self.is_noisy}


def time_in_turns(runs: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, Timing]:
    """Calls every run once untimed, then times all of them in turn, `repeats` times.

    A machine that is slow for a minute slows all competitors down alike when they run in turn.
    """
    durations: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run()
    for _ in range(repeats):
        for name, run in runs.items():
            synchronize()
            start = time.perf_counter()
            run()
            synchronize()
            durations[name].append(time.perf_counter() - start)
    return {name: summarize(values) for name, values in durations.items()}


def summarize(durations: list[float]) -> Timing:
    """Median and interquartile range of durations in seconds."""
    low, middle, high = np.quantile(durations, [0.25, 0.5, 0.75])
    return Timing(float(middle), float(high - low), len(durations))


def speedup(timing: Timing, baseline: Timing) -> float | None:
    """Time of the baseline over the time of `timing`; None if either is too noisy."""
    return None if timing.is_noisy or baseline.is_noisy else baseline.median / timing.median


def machine() -> dict[str, Any]:
    """Hardware, software versions and date, which a result depends on."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory_gib": round((total_memory() or 0) / 2**30, 1),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "kernels": build.status(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "python": platform.python_version(),
        "versions": {package: version(package) for package in PACKAGES},
        "date": time.strftime("%Y-%m-%d"),
    }


def _cpu() -> str:
    """Name of the processor; from /proc because `platform.processor` is often empty on Linux."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = (line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())
