"""Roofline of decoding: rates measured on this machine now, and costs from the model's shape.

Owns the limits that memory and arithmetic set. Knows nothing of competitors.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import torch
import torch.nn.functional as F

from benchmarks.harness import timing
from benchmarks.harness.device import default_device, median_seconds, repeated
from benchmarks.harness.processes import GenerationJob
from lm_envs.model import loading
from lm_envs.model.base import ModelConfig
from lm_envs.model.kernels.linear import Int8Linear, Linear
from lm_envs.model.kernels.select import kernels_for

LOGIT_COPIES = 4
"""Upper bound on the float32 copies of a row's logits that exist at once."""

PYTHON_BYTES = 2**28
"""Memory of Python and its libraries in each process; their files are shared between processes."""

PRODUCTS_PER_RUN = 50
"""Matrix products in one timed run, so that the clock's resolution does not matter."""

SQUARE = 8192
"""Size of the square matrices by which a card's rate is measured."""

SQUARES_PER_RUN = 4


@dataclass(frozen=True, slots=True)
class Cost:
    """Memory traffic and arithmetic of one decoding step of all rows.

    Attributes:
        bytes: Bytes of weights, keys and values that are read.
        flops: Floating-point operations of the products with them.
    """

    bytes: float
    flops: float


@dataclass(frozen=True, slots=True)
class Limit:
    """Upper bound on the speed of decoding.

    Attributes:
        bound: "memory" or "arithmetic", whichever takes longer.
        tokens_per_s: Of all rows together.
        bytes_per_s: Measured memory bandwidth.
        flops_per_s: Measured rate of matrix products.
        cost: Cost of one step.
    """

    bound: str
    tokens_per_s: float
    bytes_per_s: float
    flops_per_s: float
    cost: Cost


def decoding_limit(job: GenerationJob) -> Limit:
    """The roofline of decoding at the mean context length of a job, with rates measured now."""
    cost = step_cost(job.folder, job.num_rows, job.prompt + job.new / 2, job.dtype)
    bytes_per_s, flops_per_s = measure_rates(job.dtype, job.num_rows)
    times = {"memory": cost.bytes / bytes_per_s, "arithmetic": cost.flops / flops_per_s}
    bound = max(times, key=lambda name: times[name])
    return Limit(bound, job.num_rows / times[bound], bytes_per_s, flops_per_s, cost)


def step_cost(folder: Path, num_rows: int, context: float, dtype: str) -> Cost:
    """Cost of one decoding step with `context` tokens in each row, from the model's shape."""
    config = loading.read_model_config(folder)
    num_weights = num_matrix_weights(config)
    cached = _cached_values(config) * context * num_rows
    products = 2 * config.num_layers * config.num_heads * config.head_size * context * num_rows
    weight = 1 if dtype == loading.INT8 else _value_bytes(dtype)
    return Cost(
        num_weights * weight + cached * _value_bytes(dtype), 2 * (num_weights * num_rows + products)
    )


def row_bytes(folder: Path, capacity: int, dtype: str) -> int:
    """Bytes of one row of `capacity` tokens: keys, values and a few copies of its logits."""
    config = loading.read_model_config(folder)
    cache = _cached_values(config) * capacity * _value_bytes(dtype)
    return cache + LOGIT_COPIES * config.vocab_size * 4


def model_bytes(folder: Path, dtype: str) -> int:
    """Bytes that a process takes with no rows: weights in `dtype` and as loaded, and Python."""
    config = loading.read_model_config(folder)
    num_weights = num_matrix_weights(config)
    if not config.is_tied:  # embeddings beside the output matrix: looked up, not multiplied
        num_weights += config.vocab_size * config.hidden_size
    return PYTHON_BYTES + num_weights * (4 + _value_bytes(dtype))


def num_matrix_weights(config: ModelConfig) -> int:
    """Number of weights that a decoding step multiplies.

    The output matrix counts once, tied to the embeddings or not: of these a step reads one row a
    token. Grouped key and value heads count as they are, and so does the gate of a perceptron.
    """
    block = config.attention_weights + config.mlp_weights
    return config.num_layers * block + config.vocab_size * config.hidden_size


def _cached_values(config: ModelConfig) -> int:
    """Numbers that a token adds to the KV cache."""
    return 2 * config.num_layers * config.num_kv_heads * config.head_size


def measure_rates(dtype: str, num_rows: int) -> tuple[float, float]:
    """Memory bandwidth in bytes/s and rate of products in FLOP/s, on the models' device.

    On CUDA the card's rates: of a copy on the device and of large square products in a graph, where
    launches from Python limit neither. On the CPU the product is (rows, 768) by (768, 3072), a
    feed-forward layer of the smallest GPT-2, by the fastest of PyTorch's kernels and ours;
    PyTorch's int8 product is timed without its quantization.
    """
    if torch.cuda.is_available():
        return copy_bandwidth(), square_product_rate(dtype)
    device = torch.device("cpu")
    source = torch.ones(2**27, device=device)  # 512 MiB, larger than any cache
    kernels = _products(dtype, num_rows, device)
    products = {name: partial(_repeat, PRODUCTS_PER_RUN, run) for name, run in kernels.items()}
    timings = timing.time_in_turns({"read": source.sum, **products}, repeats=5)
    flops = 2 * num_rows * 768 * 3072 * PRODUCTS_PER_RUN
    fastest = min(timings[name].median for name in products)
    return source.nbytes / timings["read"].median, flops / fastest


@cache
def copy_bandwidth(num_values: int = 2**28) -> float:
    """Bytes/s that a copy of float32 values on the device reads and writes, measured once."""
    source = torch.ones(num_values, device=default_device())
    target = torch.empty_like(source)
    return 2 * source.nbytes / median_seconds(lambda: target.copy_(source))


@cache
def square_product_rate(dtype: str, size: int = SQUARE) -> float:
    """FLOP/s of products of square matrices, captured in a graph on CUDA, measured once."""
    kind = loading.DTYPES.get(dtype, torch.bfloat16)
    left, right = (torch.randn(size, size, device=default_device(), dtype=kind) for _ in range(2))
    target = torch.empty_like(left)
    run = repeated(lambda: torch.mm(left, right, out=target), SQUARES_PER_RUN)
    return 2 * size**3 * SQUARES_PER_RUN / median_seconds(run)


def _value_bytes(dtype: str) -> int:
    """Bytes of one key, value or weight; int8 weights aside, int8 computes in bfloat16."""
    return loading.DTYPES.get(dtype, torch.bfloat16).itemsize


def _products(
    dtype: str, num_rows: int, device: torch.device
) -> Mapping[str, Callable[[], object]]:
    """The same matrix product by each kernel that can compute it."""
    kind = loading.DTYPES.get(dtype, torch.bfloat16)
    weight, x = (torch.randn(n, 768).to(device, kind) for n in (3072, num_rows))
    kernels, int8 = kernels_for((768, 64), kind, device), dtype == loading.INT8
    ours = kernels.linear(weight, None, gelu=False, int8=int8)
    products = {} if ours is None else {"ours": partial(ours, x)}
    if int8:
        layer, quantized = Int8Linear(weight, None, kernels), kernels.quantize(x)[0]
        return products | {"integers": partial(layer.sums, quantized)}
    plain = partial(F.linear, x, weight)
    return products | {"packed": partial(Linear(weight, None), x), "plain": plain}


def _repeat(count: int, run: Callable[[], object]) -> None:
    for _ in range(count):
        run()
