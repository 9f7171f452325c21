"""Section `engine`: the bare engine by model, rows and dtype, against the card's limits.

Further rows have `deterministic=True`: what it costs, and whether a row has the same bits alone.

Owns the list of settings. Knows nothing of environments.
"""

import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from benchmarks.competitors import ours
from benchmarks.gpu.section import Row, Section
from benchmarks.harness import device, roofline, timing
from benchmarks.harness.models import GPT2_124M, model_folder
from benchmarks.harness.processes import GenerationJob
from lm_envs.model import loading
from lm_envs.model.engine import Engine

MODELS = (GPT2_124M, "embedded", "gpt2-355m")
ROWS = (64, 256, 1024, 1)
"""Numbers of rows, the most wanted first."""

DETERMINISTIC_ROWS = (64, 1024)
"""Numbers of rows of the first model with `deterministic=True`."""

PROMPT, NEW = 32, 64
REPEATS = 3
REPLAYS = 20
"""Replays in one timed run, so that the first launch does not count."""

NEEDED_S = 12.0
"""Seconds that a setting may take; it is left out where fewer are left."""


def run(section: Section) -> None:
    """Reports a row for each setting."""
    for model, num_rows, dtype in _settings(section):
        measure_one = partial(_measure, section, model, num_rows, dtype)
        labels = {"model": model, "n": num_rows, "dtype": dtype}
        section.attempt("engine", NEEDED_S, measure_one, **labels)
    model, dtype = ("embedded", "float32") if section.is_small else (MODELS[0], "bfloat16")
    for num_rows in (2,) if section.is_small else DETERMINISTIC_ROWS:
        compare = partial(_compare, make_job(section, model, num_rows, dtype))
        labels = {"model": model, "n": num_rows, "dtype": dtype}
        section.attempt("engine, deterministic", NEEDED_S, compare, **labels)


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
    loading.load(job.folder, "auto", job.dtype)  # the engine shares it
    device.reset_peak()
    load_s, before = time.perf_counter() - start, device.peak_bytes()
    start = time.perf_counter()
    bare = ours.make_engine(job)
    generate = ours.greedy(bare, job)
    generate(job.new)
    first_s = time.perf_counter() - start
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
        **_graph(bare, job),
        "load_s": load_s,
        "first_run_s": first_s,
        **whole.as_dict(),
        "peak_gib": device.peak_bytes() / 2**30,
        "engine_gib": (device.peak_bytes() - before) / 2**30,
        "share_of_limit": num_rows / step_s / limit.tokens_per_s,
        "bound": limit.bound,
    }


def _compare(job: GenerationJob) -> Row:
    """Durations with `deterministic=True` as multiples of the default's, and a check of its bits.

    `is_alone`: whether the first text has the same bits among all rows as in an engine of one row;
    `is_alone_by_default`: the same for the default kernels, as a control.
    """
    engines = {name: ours.make_engine(job, deterministic=name) for name in (False, True)}
    generators = {name: ours.greedy(bare, job) for name, bare in engines.items()}
    runs = {
        f"{name} {tokens}": partial(generate, tokens)
        for name, generate in generators.items()
        for tokens in (job.new, 0)
    }
    timings = timing.time_in_turns(runs, REPEATS)
    whole, prompts = (
        [timings[f"{name} {tokens}"].median for name in (False, True)] for tokens in (job.new, 0)
    )
    return {
        "deterministic_tokens_per_s": job.num_rows * job.new / whole[True],
        "times_default": whole[True] / whole[False],
        "prefill_times_default": prompts[True] / prompts[False],
        "is_alone": _is_alone(engines[True], job, deterministic=True),
        "is_alone_by_default": _is_alone(engines[False], job, deterministic=False),
    }


def _is_alone(bare: Engine, job: GenerationJob, *, deterministic: bool) -> bool:
    """Whether the first text's outputs have the same bits in an engine of one row."""
    prompts = job.random_prompts()
    single = ours.make_engine(replace(job, num_rows=1), deterministic=deterministic)
    found = []
    for each in (bare, single):
        each.prefill(np.arange(each.num_rows), list(prompts[: each.num_rows]))
        for token in prompts[0, : job.new]:  # given ones: both have to write the same text
            each.decode(np.full(each.num_rows, token))
        found.append(each.packed_outputs(np.arange(1)))
    return np.array_equal(*found)


def _graph(bare: Engine, job: GenerationJob) -> Row:
    """Milliseconds of one decoding step's graphs on the device alone, at the mean context length.

    Empty where a step is not captured.
    """
    ours.greedy(bare, job)(job.new // 2)
    tokens = bare.outputs.candidates[:, 0]
    with device.recorded_replays() as graphs:
        bare.decode(tokens)
    if not graphs:
        return {}
    replays = graphs * REPLAYS
    seconds = device.median_seconds(lambda: [graph.replay() for graph in replays])
    return {"graph_ms": 1e3 * seconds / REPLAYS, "graphs_per_step": len(graphs)}
