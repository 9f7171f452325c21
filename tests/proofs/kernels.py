"""Random calls of the C++ kernels, each compared with PyTorch's operations.

    python -m tests.proofs.kernels --cases 10000 --seed 0

Case i of a seed is the same on each machine: operation, shapes, number types, type of the cache,
threads and numbers. The first case that disagrees ends the program with its number, and
`--first NUMBER --cases 1` repeats it. Prints one JSON line with the number of cases of each
operation.
"""

import argparse
import copy
import json
import sys
from collections import Counter

import numpy as np
import torch

from lm_envs.model.architectures import gpt2, llama, llama_config
from lm_envs.model.attention import Extension
from lm_envs.model.base import ModelConfig
from lm_envs.model.kernels import build, native
from lm_envs.model.kernels.base import HeadNorms, LayerNorm, RMSNorm
from lm_envs.model.kernels.quantization import quantize_rows
from lm_envs.model.kernels.torch_ops import TorchKernels
from lm_envs.model.kv_cache import KVCache
from tests.model.engines import CPU, draw_weights, walk

LANES = native.LANES
DTYPES = (torch.float32, torch.bfloat16)
TOLERANCE = {torch.float32: 2e-5, torch.bfloat16: 2e-2}
"""Of numbers near 1, relative beyond; sums of up to 512 products are taken in another order."""


class Case:
    """Random choices and numbers of one case, and both backends.

    Args:
        seed: Of the whole run.
        number: Of the case.
    """

    def __init__(self, seed: int, number: int) -> None:
        self.rng = np.random.default_rng([seed, number])
        self.generator = torch.Generator().manual_seed(int(self.rng.integers(2**60)))
        self.dtype = DTYPES[self.rng.integers(2)]
        self.native, self.torch = native.kernels(self.dtype), TorchKernels()
        torch.set_num_threads(1 if self.rng.random() < 0.8 else 2)

    def size(self, least: int, most: int) -> int:
        """A number from `least` to `most`; small ones and the bounds are more likely."""
        if self.rng.random() < 0.1:
            return (least, most)[self.rng.integers(2)]
        return int(least + (most - least) * self.rng.random() ** 2)

    def width(self, most: int = 320) -> int:
        """A number of whole vectors."""
        return LANES * self.size(1, most // LANES)

    def is_so(self) -> bool:
        return bool(self.rng.integers(2))

    def draw(self, *shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
        """Normal numbers; in one of twenty cases of another magnitude."""
        scale = 10.0 ** self.rng.integers(-3, 3) if self.rng.random() < 0.05 else 1.0
        return (scale * torch.randn(*shape, generator=self.generator)).to(dtype)

    def indices(self, count: int, size: int) -> torch.Tensor:
        """(count,) int64, each from 0 to size - 1."""
        return torch.from_numpy(self.rng.integers(0, size, count))

    def agree(self, ours: torch.Tensor, theirs: torch.Tensor, scale: float = 1.0) -> None:
        """Checks type, shape and numbers; the absolute tolerance grows with the largest number."""
        tolerance = scale * TOLERANCE[self.dtype if ours.dtype != torch.float64 else torch.float32]
        largest = (
            float(theirs.double().abs().nan_to_num(0.0, 0.0, 0.0).max()) if theirs.numel() else 0
        )
        atol = tolerance * max(1.0, largest)
        torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=atol, equal_nan=True)


def embed(case: Case) -> None:
    width, vocabulary, places = case.width(), case.size(1, 300), case.size(1, 60)
    count = case.size(1, 40)
    tables = case.draw(vocabulary, width, dtype=case.dtype), case.draw(places, width)
    indices = case.indices(count, vocabulary), case.indices(count, places)
    ours, theirs = (each.embed(*indices, *tables) for each in (case.native, case.torch))
    assert torch.equal(ours, theirs)


def add_norm(case: Case) -> None:
    _norm(case, "add_norm", lambda width: LayerNorm(case.draw(width), case.draw(width), 1e-5))


def add_rms_norm(case: Case) -> None:
    _norm(case, "add_rms_norm", lambda width: RMSNorm(case.draw(width), 1e-5))


def _norm(case, name, make_norm):
    rows, width = case.size(1, 40), case.width()
    norm, before = make_norm(width), case.draw(rows, width)
    update = case.draw(rows, width, dtype=case.dtype) if case.is_so() else None
    out = torch.float32 if case.is_so() else case.dtype
    streams = before.clone(), before.clone()
    ours, theirs = (
        getattr(kernels, name)(x, update, norm, out)
        for kernels, x in zip((case.native, case.torch), streams, strict=True)
    )
    assert torch.equal(*streams)
    case.agree(ours, theirs)


def rotate(case: Case) -> None:
    kv_heads, size, rows = case.size(1, 4), case.width(160), case.size(1, 20)
    heads = (kv_heads * case.size(1, 4), kv_heads)
    has_norms = case.is_so()
    norms = HeadNorms(case.draw(size), case.draw(size), 1e-5) if has_norms else None
    angles = case.draw(rows, size // 2)
    turns = torch.cat([angles.cos(), angles.sin()], 1)
    before = case.draw(rows, (heads[0] + 2 * kv_heads) * size, dtype=case.dtype)
    ours, theirs = before.clone(), before.clone()
    case.native.rotate(ours, turns, heads, norms)
    case.torch.rotate(theirs, turns, heads, norms)
    case.agree(ours, theirs)


def silu_product(case: Case) -> None:
    x = 4 * case.draw(case.size(1, 30), 2 * case.width(), dtype=case.dtype)
    case.agree(case.native.silu_product(x), case.torch.silu_product(x))


def quantize(case: Case) -> None:
    x = case.draw(case.size(1, 30), case.width(), dtype=case.dtype)
    if case.is_so():
        x[case.rng.integers(len(x))] = 0.0
    (ours, our_scales), (theirs, scales) = (k.quantize(x) for k in (case.native, case.torch))
    torch.testing.assert_close(our_scales, scales, rtol=1e-6, atol=0)
    assert (ours.int() - theirs.int()).abs().max() <= 1  # halves may be rounded either way
    case.agree((ours.double() - 128) * our_scales[:, None], x.double(), 400)


def dequantize(case: Case) -> None:
    rows, width = case.size(1, 30), case.size(1, 300)
    sums, scales = 100 * case.draw(rows, width), case.draw(rows).abs() / 20
    bias = case.draw(width) if case.is_so() else None
    gelu = case.is_so()
    ours, theirs = (
        kernels.dequantize(sums, scales, bias, gelu=gelu, dtype=case.dtype)
        for kernels in (case.native, case.torch)
    )
    case.agree(ours, theirs)


def linear(case: Case) -> None:
    """Against double precision; int8 against the product of the rounded numbers.

    The inputs of int8 are rounded beforehand. Otherwise a number halfway between two integers,
    which each backend may round its own way, would change a sum by more than the tolerance.
    """
    outputs, inputs, rows = case.size(1, 200), 4 * case.size(1, 64), case.size(1, 160)
    gelu, int8 = case.is_so(), case.is_so()
    inputs = inputs // LANES * LANES + LANES if int8 else inputs
    weight = case.draw(outputs, inputs).to(case.dtype)
    bias = case.draw(outputs) if case.is_so() else None
    layer = case.native.linear(weight, bias, gelu=gelu, int8=int8)
    x = case.draw(rows, inputs, dtype=case.dtype)
    if layer is None:  # the processor has no instructions for it: the model computes by PyTorch
        return
    exact_x, exact_weight = x.double(), weight.double()
    if int8:
        values, scales = case.torch.quantize(x)
        exact_x = (values.double() - 128) * scales[:, None]
        x = exact_x.to(case.dtype)
        values, scales = quantize_rows(weight)
        exact_weight = values.double() * scales[:, None]
    expected = torch.nn.functional.linear(
        exact_x, exact_weight, None if bias is None else bias.double()
    )
    if gelu:
        expected = torch.nn.functional.gelu(expected, approximate="tanh")
    case.agree(layer(x), expected.to(case.dtype), 50 if int8 and case.dtype == torch.float32 else 3)


def token_logits(case: Case) -> None:
    width, vocabulary = case.width(), case.size(1, 200)
    rows, count = case.size(1, 12), case.size(1, 20)
    hidden, table = case.draw(rows, width), case.draw(vocabulary, width, dtype=case.dtype)
    center = case.draw(width) if case.is_so() else None
    tokens = case.indices(rows * count, vocabulary).view(rows, count)
    ours, theirs = (
        kernels.token_logits(hidden, table, center, tokens) for kernels in (case.native, case.torch)
    )
    case.agree(ours, theirs)


def top_k(case: Case) -> None:
    """Against a sort in NumPy: PyTorch's order of equal logits is not defined."""
    width, vocabulary, rows = case.width(96), case.size(2, 3000), case.size(1, 8)
    count, required = case.size(1, min(vocabulary, 60)), int(case.rng.integers(vocabulary))
    hidden, table = case.draw(rows, width), case.draw(vocabulary, width, dtype=case.dtype)
    center = None if case.dtype == torch.float32 else case.draw(width)
    exact = case.torch.token_logits(
        hidden, table, center, torch.arange(vocabulary).expand(rows, -1)
    )
    logits = exact.to(case.dtype)
    if case.is_so():  # many equal ones
        logits = logits.round()
    if case.rng.random() < 0.1:
        logits[case.rng.integers(rows), case.rng.integers(vocabulary)] = torch.nan
    found = case.native.top_k(logits, hidden, table, center, count, required)
    for row in range(rows):
        numbers = logits[row].float()
        if not torch.isfinite(numbers).all():
            assert torch.isnan(found.logprobs[row]).all()
            continue
        _check_row(case, found, row, (numbers, exact[row]), center is None, required)


def _check_row(case, found, row, logits, is_exact, required):
    rounded, exact = logits
    tokens, count = found.candidates[row], found.candidates.shape[1]
    expected = np.lexsort((np.arange(len(rounded)), -rounded.numpy()))[:count]
    values = (rounded if is_exact else exact)[tokens] - rounded.logsumexp(-1)
    case.agree(found.log_z[row], rounded.logsumexp(-1))
    case.agree(found.logprobs[row], values)
    if required in expected:
        assert set(tokens.tolist()) == set(expected.tolist())
        ordered = found.logprobs[row]
    else:
        assert tokens[-1] == required
        assert set(tokens[:-1].tolist()) < set(expected.tolist())
        ordered = found.logprobs[row, :-1]
    assert (ordered.diff() <= 0).all()
    if is_exact and required in expected:
        assert tokens.tolist() == expected.tolist()


def attention(case: Case) -> None:
    """Attention of a token a row, or of several in some rows, and what it leaves in the cache."""
    kv_heads, size, rows = case.size(1, 3), case.width(160), case.size(1, 6)
    heads, capacity = (kv_heads * case.size(1, 4), kv_heads), 16 * case.size(1, 12)
    dtype = torch.int8 if case.is_so() else case.dtype
    caches = [_cache(rows, kv_heads, size, capacity, dtype) for _ in range(2)]
    for part, other in zip(*(cache.layers[1] for cache in caches), strict=True):
        part.copy_(_stored(case, part, dtype))
        other.copy_(part)
    attend = _extended(case, rows, capacity) if case.is_so() else _decoded(case, rows, capacity)
    num_tokens, functions = attend[0], attend[1:]
    parts = (heads[0], kv_heads, kv_heads)
    qkv = case.draw(num_tokens, sum(parts), size, dtype=case.dtype).split(parts, 1)
    ours, theirs = (
        make(kernels, cache)(1, *qkv)
        for make, kernels, cache in zip(functions, (case.native, case.torch), caches, strict=True)
    )
    keys = caches[1].read(1, capacity)[0].double()
    largest_score = float(qkv[0].double().norm(dim=-1).max() * keys.norm(dim=-1).max()) / size**0.5
    # A score is rounded to 2^-24 of itself, and the weight of a key is its exponential.
    case.agree(ours.float(), theirs.float(), max(1.0, largest_score / 30))
    assert all(map(torch.equal, *(cache.layers[1] for cache in caches)))


def _cache(rows, heads, size, capacity, dtype):
    shape = {"num_layers": 2, "num_rows": rows, "num_heads": heads, "head_size": size}
    return KVCache(**shape, capacity=capacity, dtype=dtype, device=CPU)


def _stored(case, part, dtype):
    if part.dtype == torch.int8:
        return torch.from_numpy(case.rng.integers(-127, 128, tuple(part.shape)).astype(np.int8))
    return case.draw(*part.shape).abs() / 100 if dtype == torch.int8 else case.draw(*part.shape)


def _decoded(case, rows, capacity):
    positions = case.indices(rows, capacity)
    make = lambda kernels, cache: kernels.decode_attention(cache, positions, capacity)  # noqa: E731
    return rows, make, make


def _extended(case, rows, capacity):
    chosen = torch.from_numpy(case.rng.permutation(rows)[: case.size(1, rows)])
    starts = case.indices(len(chosen), capacity)
    sizes = torch.tensor([case.size(1, int(capacity - start)) for start in starts])
    numbers = (int(sizes.sum()), int(sizes.max()), capacity)
    extension = Extension(chosen, starts, sizes, *numbers)
    make = lambda kernels, cache: kernels.extend_attention(cache, extension)  # noqa: E731
    return numbers[0], make, make


def refused_index(case: Case) -> None:
    """An index out of range is an IndexError, and nothing is stored in its row of the cache."""
    width, vocabulary, rows = case.width(96), case.size(1, 50), case.size(1, 9)
    tokens = case.indices(rows, vocabulary)
    bad = (-1, vocabulary, 2**40, -(2**62))[case.rng.integers(4)]
    tokens[case.rng.integers(rows)] = bad
    table = case.draw(vocabulary, width, dtype=case.dtype)
    calls = [
        lambda: case.native.embed(tokens, torch.zeros_like(tokens), table, case.draw(1, width)),
        lambda: case.native.token_logits(case.draw(rows, width), table, None, tokens[:, None]),
    ]
    cache = _cache(rows, 1, 16, 32, case.dtype)
    before = [part.clone() for part in cache.layers[0]]
    positions = case.indices(rows, 32)
    bad = (-1, 32, 2**40)[case.rng.integers(3)]
    row = int(case.rng.integers(rows))
    positions[row] = bad
    qkv = case.draw(rows, 3, 1, 16, dtype=case.dtype).unbind(1)
    calls.append(lambda: case.native.decode_attention(cache, positions, 32)(0, *qkv))
    for call in calls:
        try:
            call()
        except IndexError:
            continue
        raise AssertionError("an index out of range was accepted")
    for part, old in zip(cache.layers[0], before, strict=True):
        assert torch.equal(part[row], old[row])


def whole_model(case: Case) -> None:
    """Hidden states of a small network of any sizes, whole vectors or not, by either backend."""
    kv_heads, is_llama = case.size(1, 3), case.is_so()
    num_heads = kv_heads * (case.size(1, 3) if is_llama else 1)
    size = case.width(64) if case.rng.random() < 0.7 else 2 * case.size(1, 20)
    names = {"hidden_size": num_heads * size, "num_heads": num_heads, "num_kv_heads": kv_heads}
    inner = case.width(200) if case.rng.random() < 0.7 else 4 * case.size(1, 40)
    names |= {"num_layers": 2, "vocab_size": 700, "max_positions": 160}
    names |= {"intermediate_size": inner, "norm_epsilon": 1e-5}
    kind = llama if is_llama else gpt2
    config = llama_config.LlamaConfig(**names) if is_llama else ModelConfig(**names)
    shapes = (llama_config if is_llama else gpt2).tensor_shapes(config)
    int8 = case.is_so() and names["hidden_size"] % 4 == 0 and torch.cpu._is_vnni_supported()
    dtype = torch.bfloat16 if int8 else case.dtype
    model = (kind.Llama if is_llama else kind.GPT2)(
        config, draw_weights(shapes, 0.2), dtype, int8=int8
    )
    other = copy.copy(model)
    other.kernels = TorchKernels()
    is_whole = all(each % LANES == 0 for each in (names["hidden_size"], size, inner))
    assert (type(model.kernels) is not TorchKernels) == is_whole
    options = {"seed": int(case.rng.integers(99)), "cache_dtype": ("auto", "int8")[case.is_so()]}
    rows = case.size(1, 4)
    steps = zip(*(walk(each, rows, 6, **options) for each in (model, other)), strict=True)
    bound = 0.02 if dtype == torch.float32 and options["cache_dtype"] == "int8" else 0.1
    bound = 2e-4 if dtype == torch.float32 and options["cache_dtype"] == "auto" else bound
    for (ours, _), (theirs, _) in steps:
        largest = np.abs(theirs.hidden).max()
        difference = np.abs(ours.hidden - theirs.hidden).max() / largest
        assert difference <= bound, f"hidden states differ by {difference:.2g} of the largest"


OPERATIONS = (
    *(embed, add_norm, add_rms_norm, rotate, silu_product, quantize, dequantize, linear),
    *(token_logits, top_k, attention, attention, refused_index, whole_model),
)
"""What a case may compare; attention has the most shapes."""


def run(seed: int, first: int, cases: int) -> Counter[str]:
    """Compares some cases; returns how many of each operation there were."""
    counts: Counter[str] = Counter()
    threads = torch.get_num_threads()
    try:
        for number in range(first, first + cases):
            case = Case(seed, number)
            operation = OPERATIONS[case.rng.integers(len(OPERATIONS))]
            try:
                operation(case)
            except AssertionError as error:
                raise AssertionError(f"case {number}, {operation.__name__}: {error}") from error
            counts[operation.__name__] += 1
    finally:
        torch.set_num_threads(threads)
    return counts


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    given = parser.parse_args()
    if build.status() != "own, compiled":
        sys.exit(f"the kernels are {build.status()}")
    counts = run(given.seed, given.first, given.cases)
    print(json.dumps({"cases": counts.total(), "seed": given.seed, **dict(sorted(counts.items()))}))


if __name__ == "__main__":
    main()
