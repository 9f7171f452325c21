"""Sections `rivals` and `static_cache`: other generators on the same card, with the same prompts.

Owns which are measured. How each generates is in `benchmarks.competitors.generators`.
"""

import importlib.util
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from benchmarks.competitors import generators
from benchmarks.gpu.engine import REPEATS, ROWS, make_job
from benchmarks.gpu.section import Row, Section
from benchmarks.harness import device, timing
from benchmarks.harness.models import GPT2_124M
from benchmarks.harness.processes import GenerateFn, GenerationJob

MakeFn = Callable[[GenerationJob], GenerateFn]
GENERATE = "transformers generate, dynamic cache"
RIVALS: Mapping[str, tuple[MakeFn, Sequence[int]]] = {
    GENERATE: (generators.transformers_generate, ROWS),
    "transformers continuous batching": (generators.continuous_batching, (64, 256)),
    "vLLM": (generators.vllm_generate, (64, 256, 1024)),
}
"""Generator and numbers of rows of each rival."""

PACKAGES = {"vLLM": "vllm"}
NEEDED_S, STATIC_NEEDED_S = 15.0, 40.0


def run(section: Section) -> None:
    """Reports a row for each rival and number of rows."""
    for name, (make, rows) in RIVALS.items():
        if not importlib.util.find_spec(PACKAGES.get(name, "torch")):
            section.report(name, note="not installed")
        elif not section.is_small:
            _compare(section, name, make, rows, NEEDED_S)
        elif name == GENERATE:
            _compare(section, name, make, (2,), 0.0)


def static_cache(section: Section) -> None:
    """Reports `generate` with a static cache, which transformers compiles for the device."""
    name = "transformers generate, static cache, compiled"
    if section.is_cuda:
        _compare(section, name, generators.transformers_static, (64, 256), STATIC_NEEDED_S)
    else:
        section.report(name, note="compiled on CUDA only")


def _compare(
    section: Section, name: str, make: MakeFn, rows: Sequence[int], needed_s: float
) -> None:
    dtype = "bfloat16" if section.is_cuda else "float32"
    model = "embedded" if section.is_small else GPT2_124M
    for num_rows in rows:
        labels = {"model": model, "n": num_rows, "dtype": dtype}
        job = partial(make_job, section, model, num_rows, dtype)
        section.attempt(name, needed_s, lambda job=job: _measure(job(), make), **labels)


def _measure(job: GenerationJob, make: MakeFn) -> Row:
    generate = make(job)
    start = time.perf_counter()
    generate(job.new)
    first_s = time.perf_counter() - start
    device.reset_peak()
    durations = timing.time_in_turns({"": partial(generate, job.new)}, REPEATS)[""]
    return {
        "tokens_per_s": job.num_rows * job.new / durations.median,
        "first_run_s": first_s,
        **durations.as_dict(),
        "peak_gib": device.peak_bytes() / 2**30,
    }
