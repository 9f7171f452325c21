"""Honest clocks: warm up, synchronize, repeat, rivals taken in turn.

Owns how a duration is measured and how spread is stated. Knows nothing of models.
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

from lm_envs.model.kernels import build

NOISY = 0.25
"""A spread (interquartile range over median) above this makes a comparison worthless."""

PACKAGES = ("torch", "transformers", "gymnasium", "stable-baselines3", "numpy")


@dataclass(frozen=True, slots=True)
class Timing:
    """Durations of one thing, in seconds."""

    median: float
    iqr: float
    repeats: int

    @property
    def is_noisy(self) -> bool:
        """Whether the spread is too large to compare by."""
        return self.iqr > NOISY * self.median

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self) | {"is_noisy": self.is_noisy}


def take_turns(rivals: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, Timing]:
    """Times every rival once unmeasured, then all of them in turn, `repeats` times over.

    Turns make a slow minute of the machine fall on all rivals alike.
    """
    durations: dict[str, list[float]] = {name: [] for name in rivals}
    for run in rivals.values():
        run()
    for _ in range(repeats):
        for name, run in rivals.items():
            _synchronize()
            start = time.perf_counter()
            run()
            _synchronize()
            durations[name].append(time.perf_counter() - start)
    return {name: summarize(values) for name, values in durations.items()}


def summarize(durations: list[float]) -> Timing:
    """Median and interquartile range."""
    low, middle, high = np.quantile(durations, [0.25, 0.5, 0.75])
    return Timing(float(middle), float(high - low), len(durations))


def ratio(ours: Timing, theirs: Timing) -> float | None:
    """How many times faster ours is; None where either is too noisy to say."""
    return None if ours.is_noisy or theirs.is_noisy else theirs.median / ours.median


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory_gib": round(_memory() / 2**30, 1),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "kernels": build.status(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "python": platform.python_version(),
        "versions": {package: version(package) for package in PACKAGES},
        "date": time.strftime("%Y-%m-%d"),
    }


def _memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _cpu() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    found = (line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    return next(found, platform.processor())


def _synchronize() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
