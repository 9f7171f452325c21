"""What memory and arithmetic allow: rates measured on this machine now, costs by the shape.

Owns the roofline. Knows nothing of contestants.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from transformers import GPT2Config

from benchmarks.harness import timing
from benchmarks.harness.models import config_of
from benchmarks.harness.processes import Job
from lm_envs.model import loading
from lm_envs.model.kernels.linear import Int8Linear, Linear
from lm_envs.model.kernels.select import kernels_for

LOGITS = 4
"""Copies of a row's logits in float32 that may be held at once."""

PYTHON = 2**28
"""Bytes of Python and its libraries, whose files are shared with other processes."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a decoding step of all rows reads and computes.

    Attributes:
        bytes: Of weights, keys and values.
        flops: Of products with them.
    """

    bytes: float
    flops: float


@dataclass(frozen=True, slots=True)
class Limit:
    """How fast decoding could be.

    Attributes:
        bound: "memory" or "arithmetic", whichever takes longer.
        tokens_per_s: Of all rows together.
        bytes_per_s: Measured bandwidth.
        flops_per_s: Measured rate of products.
        cost: Of a step.
    """

    bound: str
    tokens_per_s: float
    bytes_per_s: float
    flops_per_s: float
    cost: Cost


def limit_of(job: Job) -> Limit:
    """The roofline of decoding at the mean context of a job, by rates measured now."""
    cost = step_cost(job.folder, job.num_rows, job.prompt + job.new / 2, job.dtype)
    bytes_per_s, flops_per_s = roofline(job.dtype, job.num_rows)
    times = {"memory": cost.bytes / bytes_per_s, "arithmetic": cost.flops / flops_per_s}
    bound = max(times, key=lambda name: times[name])
    return Limit(bound, job.num_rows / times[bound], bytes_per_s, flops_per_s, cost)


def step_cost(folder: Path, num_rows: int, context: float, dtype: str) -> Cost:
    """Cost of a decoding step with so many tokens in each row, by the shape of the model."""
    config = config_of(folder)
    num_weights = matrices(config)
    cached = 2 * config.n_layer * config.n_embd * context * num_rows
    weight = 1 if dtype == loading.INT8 else _width(dtype)
    return Cost(
        num_weights * weight + cached * _width(dtype), 2 * (num_weights * num_rows + cached)
    )


def row_bytes(folder: Path, capacity: int, dtype: str) -> int:
    """What a row of so many tokens holds: keys and values, and logits in a few copies."""
    config = config_of(folder)
    slot = 2 * config.n_layer * config.n_embd * capacity * _width(dtype)
    return slot + LOGITS * config.vocab_size * 4


def model_bytes(folder: Path, dtype: str) -> int:
    """What a process holds whatever its rows: weights, as kept and as they come, and Python."""
    return PYTHON + matrices(config_of(folder)) * (4 + _width(dtype))


def matrices(config: GPT2Config) -> int:
    """Weights that a step reads."""
    inner = config.n_inner or 4 * config.n_embd
    block = config.n_embd * (4 * config.n_embd + 2 * inner)
    return config.n_layer * block + config.vocab_size * config.n_embd


def _width(dtype: str) -> int:
    """Bytes of a key or value, and of a weight that is not int8."""
    return loading.DTYPES.get(dtype, torch.bfloat16).itemsize


def roofline(dtype: str, num_rows: int) -> tuple[float, float]:
    """Bandwidth, bytes/s, and rate of skinny products, FLOP/s, of the device that models are on.

    The product is (rows, 768) by (768, 3072), by the fastest of PyTorch's kernels and our own; of
    PyTorch's in int8 that of the codes alone.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    source = torch.ones(2**27, device=device)  # 512 MiB, larger than any cache
    found = _products(dtype, num_rows, device)
    products = {name: partial(_times, 50, run) for name, run in found.items()}
    timings = timing.take_turns({"read": source.sum, **products}, repeats=5)
    flops = 2 * num_rows * 768 * 3072 * 50
    fastest = min(timings[name].median for name in products)
    return source.nbytes / timings["read"].median, flops / fastest


def _products(
    dtype: str, num_rows: int, device: torch.device
) -> Mapping[str, Callable[[], object]]:
    kind = loading.DTYPES.get(dtype, torch.bfloat16)
    weight, x = (torch.randn(n, 768).to(device, kind) for n in (3072, num_rows))
    kernels, int8 = kernels_for(768, 64, kind, device), dtype == loading.INT8
    own = kernels.linear(weight, None, gelu=False, int8=int8)
    products = {} if own is None else {"own": partial(own, x)}
    if int8:
        layer, codes = Int8Linear(weight, None, kernels), kernels.quantize(x)[0]
        return products | {"codes": partial(layer.sums, codes)}
    plain = partial(F.linear, x, weight)
    return products | {"packed": partial(Linear(weight, None), x), "plain": plain}


def _times(count: int, run: Callable[[], object]) -> None:
    for _ in range(count):
        run()
