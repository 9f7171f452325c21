"""Honest clocks: warm up, synchronise, repeat, rivals taken in turn.

Owns how a duration is measured and how spread is stated. Knows nothing of models.
"""

import os
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from lm_envs.model import native, weights
from lm_envs.model.kernels import kernels_for
from lm_envs.model.linear import Int8Linear, Linear

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
            _synchronise()
            start = time.perf_counter()
            run()
            _synchronise()
            durations[name].append(time.perf_counter() - start)
    return {name: summarise(values) for name, values in durations.items()}


def summarise(durations: list[float]) -> Timing:
    """Median and interquartile range."""
    low, middle, high = np.quantile(durations, [0.25, 0.5, 0.75])
    return Timing(float(middle), float(high - low), len(durations))


def ratio(ours: Timing, theirs: Timing) -> float | None:
    """How many times faster ours is; None where either is too noisy to say."""
    return None if ours.is_noisy or theirs.is_noisy else theirs.median / ours.median


def roofline(dtype: str, rows: int) -> dict[str, float]:
    """Memory bandwidth, bytes/s, and rate of skinny matrix products, FLOP/s, on this machine now.

    The product is (rows, 768) by (768, 3072), by the fastest of PyTorch's kernels and our own; of
    PyTorch's in int8 that of the codes alone.
    """
    source = torch.ones(2**27)  # 512 MiB, larger than any cache
    products = {name: partial(_times, 50, run) for name, run in _products(dtype, rows).items()}
    timings = take_turns({"read": source.sum, **products}, repeats=5)
    flops = 2 * rows * 768 * 3072 * 50
    return {
        "bytes_per_s": source.numel() * 4 / timings["read"].median,
        "flops_per_s": flops / min(timings[name].median for name in products),
    }


def _products(dtype: str, rows: int) -> Mapping[str, Callable[[], object]]:
    kind = weights.DTYPES.get(dtype, torch.bfloat16)
    weight, x = torch.randn(3072, 768).to(kind), torch.randn(rows, 768).to(kind)
    kernels, int8 = kernels_for(768, 64, kind, torch.device("cpu")), dtype == weights.INT8
    own = kernels.linear(weight, None, gelu=False, int8=int8)
    products = {} if own is None else {"own": partial(own, x)}
    if int8:
        layer, codes = Int8Linear(weight, None, kernels), kernels.quantise(x)[0]
        return products | {"codes": partial(layer.sums, codes)}
    plain = partial(F.linear, x, weight)
    return products | {"packed": partial(Linear(weight, None), x), "plain": plain}


def _times(count: int, run: Callable[[], object]) -> None:
    for _ in range(count):
        run()


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory_gib": round(_memory() / 2**30, 1),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "kernels": native.status(),
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


def _synchronise() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
