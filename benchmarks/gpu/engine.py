"""Section `engine`: the bare engine by model, rows and dtype, against the card's limits.

Owns the list of settings. Knows nothing of environments.
"""

import time
from collections.abc import Iterator
from functools import partial

import numpy as np
import torch

from benchmarks.competitors import ours
from benchmarks.gpu.section import Row, Section
from benchmarks.harness import device, roofline, timing
from benchmarks.harness.models import GPT2_124M, model_folder
from benchmarks.harness.processes import GenerationJob
from lm_envs.model.engine import Engine

MODELS = (GPT2_124M, "embedded", "gpt2-355m")
ROWS = (64, 256, 1024, 1)
"""Numbers of rows, the most wanted first."""

PROMPT, NEW = 32, 64
REPEATS = 3
NEEDED_S = 12.0
"""Seconds that a setting may take; it is left out where fewer are left."""


def run(section: Section) -> None:
    """Reports a row for each setting."""
    for model, num_rows, dtype in _settings(section):
        measure_one = partial(_measure, section, model, num_rows, dtype)
        labels = {"model": model, "n": num_rows, "dtype": dtype}
        section.attempt("engine", NEEDED_S, measure_one, **labels)


def make_job(section: Section, model: str, num_rows: int, dtype: str) -> GenerationJob:
    """The job of a setting, with few tokens in a rehearsal."""
    prompt, new = (4, 3) if section.is_small else (PROMPT, NEW)
    return GenerationJob(model_folder(model), num_rows, prompt, new, dtype)


def _settings(section: Section) -> Iterator[tuple[str, int, str]]:
    if section.is_small:
        yield from (("embedded", num_rows, "float32") for num_rows in (2, 1))
        return
    for model in MODELS:
        yield from ((model, num_rows, "bfloat16") for num_rows in ROWS)
        if model == GPT2_124M:
            yield model, ROWS[0], "float32"


def _measure(section: Section, model: str, num_rows: int, dtype: str) -> Row:
    """Speeds of whole texts, of prompts and of decoding, memory, and the share of the limit."""
    job = make_job(section, model, num_rows, dtype)
    start = time.perf_counter()
    bare = ours.make_engine(job)
    loaded = time.perf_counter()
    if section.is_cuda:
        torch.cuda.reset_peak_memory_stats()
    generate = ours.greedy(bare, job)
    generate(job.new)
    first_s = time.perf_counter() - loaded
    runs = {"whole": partial(generate, job.new), "prompts": partial(generate, 0)}
    timings = timing.time_in_turns(runs, REPEATS)
    whole, prompts = timings["whole"], timings["prompts"]
    step_s = max(whole.median - prompts.median, 1e-9) / job.new
    limit = roofline.decoding_limit(job)
    return {
        "tokens_per_s": num_rows * job.new / whole.median,
        "decode_tokens_per_s": num_rows / step_s,
        "decode_ms": 1e3 * step_s,
        "prefill_ms": 1e3 * prompts.median,
        **_graph(bare),
        "load_s": loaded - start,
        "first_run_s": first_s,
        **whole.as_dict(),
        "peak_gib": device.peak_bytes() / 2**30,
        "share_of_limit": num_rows / step_s / limit.tokens_per_s,
        "bound": limit.bound,
    }


def _graph(bare: Engine) -> Row:
    """Milliseconds of the graphs of one decoding step on the device alone; empty without graphs."""
    bare.prefill(np.arange(bare.num_rows), [np.array([1])] * bare.num_rows)
    tokens = bare.outputs.candidates[:, 0]
    bare.decode(tokens)  # may capture
    with device.recorded_replays() as graphs:
        bare.decode(tokens)
    if not graphs:
        return {}
    seconds = device.median_seconds(lambda: [graph.replay() for graph in graphs], 20)
    return {"graph_ms": 1e3 * seconds, "graphs_per_step": len(graphs)}
