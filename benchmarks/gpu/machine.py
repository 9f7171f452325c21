"""Section `machine`: versions, and the rates that set the limits of everything else.

Owns which rates are measured. The clock is in `benchmarks.harness.device`.
"""

import importlib.metadata
import subprocess

import torch

from benchmarks.gpu.section import Row, Section
from benchmarks.harness import device, roofline

PACKAGES = ("triton", "trl", "datasets", "accelerate", "vllm", "peft", "pytest")
NODES = 500
"""Small kernels in one graph, and eager launches in one timed run."""


def run(section: Section) -> None:
    """Reports versions, memory bandwidth, product rates, and the cost of a launch."""
    section.attempt("versions", 0, _versions)
    section.attempt("copy on the device", 0, lambda: _copy(section))
    for dtype in ("bfloat16", "float32"):
        section.attempt(
            "square products in a graph", 0, lambda dtype=dtype: _products(section, dtype)
        )
    section.attempt("node of a graph", 0, lambda: {"us": 1e6 * _node_seconds()})
    section.attempt("eager launch", 0, lambda: {"us": 1e6 * _launch_seconds()})


def _versions() -> Row:
    found = {name: _version(name) for name in PACKAGES}
    row: Row = {name: version for name, version in found.items() if version}
    row |= {"torch": torch.__version__, "cuda": torch.version.cuda}
    if torch.cuda.is_available():
        properties = torch.cuda.get_device_properties(0)
        row |= {
            "card": properties.name,
            "multiprocessors": properties.multi_processor_count,
            "memory_gib": properties.total_memory / 2**30,
            "cudnn": torch.backends.cudnn.version(),
            "driver": _driver(),
        }
    return row


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _driver() -> str | None:
    """Version of the driver and the clocks now, from `nvidia-smi`."""
    fields = "driver_version,clocks.sm,clocks.max.sm,power.limit"
    command = ["nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return None


def _copy(section: Section) -> Row:
    return {"gb_per_s": roofline.copy_bandwidth(2**20 if section.is_small else 2**28) / 1e9}


def _products(section: Section, dtype: str) -> Row:
    size = 128 if section.is_small else roofline.SQUARE
    rate = roofline.square_product_rate(dtype, size)
    return {"dtype": dtype, "size": size, "tflop_per_s": rate / 1e12}


def _node_seconds() -> float:
    """Seconds of one of many dependent small kernels in a graph."""
    x = torch.zeros(64, device=device.default_device())
    return device.median_seconds(device.repeated(lambda: x.add_(1), NODES), 20) / NODES


def _launch_seconds() -> float:
    """Seconds of one of many small kernels that Python launches."""
    x = torch.zeros(64, device=device.default_device())

    def launch() -> None:
        for _ in range(NODES):
            x.add_(1)

    return device.median_seconds(launch) / NODES
