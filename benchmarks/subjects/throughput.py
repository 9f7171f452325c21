"""Tokens per second of the environment, the bare engine and other generators, in one run.

A token of ours is a whole environment step of a row: act, decode, compute the fluency reward,
observe the hidden state and 16 candidates. Prompts repeat in each turn, and no competitor caches
them; their cost is shown apart from decoding. Owns the list of competitors and the comparison.
"""

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from agents.language_model.memory_estimate import available_memory
from benchmarks.competitors import generators, ours
from benchmarks.harness import roofline, timing
from benchmarks.harness.device import default_device
from benchmarks.harness.models import GPT2_SHAPES, model_folder
from benchmarks.harness.processes import CompetitorProcess, GenerateFn, GenerationJob
from benchmarks.subjects.defaults import DTYPES, MODEL, REPEATS, ROWS
from lm_envs.model import loading
from lm_envs.validation import check_choice

PROMPT, NEW = 32, 64
SLOW_ROWS = 8
"""Most rows of re-encoding and of single environments, which would take minutes with more."""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Competitor:
    """A way to generate tokens.

    Attributes:
        make: Builds the generator.
        min_tokens: Fewest tokens that it can generate; the time of that many is the prompts' cost.
            None where prompts and decoding cannot be separated.
        has_limit: Whether its decoding costs what our engine's costs and is compared with the
            roofline.
        max_rows: It is left out of jobs with more rows.
        package: Package that it needs beside ours.
        models: Models that it can load; all if empty.
        dtypes: Dtypes in which it is compared.
    """

    make: Callable[[GenerationJob], GenerateFn]
    min_tokens: int | None = 1
    has_limit: bool = False
    max_rows: float = float("inf")
    package: str = "torch"
    models: Sequence[str] = ()
    dtypes: Sequence[str] = ("float32", "bfloat16", "int8")

    def accepts(self, model: str, job: GenerationJob) -> bool:
        """Whether it is compared in a job."""
        can_load = not self.models or model in self.models
        return can_load and job.num_rows <= self.max_rows and job.dtype in self.dtypes


_CTRANSLATE2: Mapping[str, Any] = {"package": "ctranslate2", "models": GPT2_SHAPES}
COMPETITORS = {
    "environment": Competitor(ours.environment, min_tokens=0, has_limit=True),
    "environment, 8-bit keys and values": Competitor(ours.environment_int8_cache, min_tokens=0),
    "engine": Competitor(ours.engine, min_tokens=0, has_limit=True),
    "Stable-Baselines3 rollout": Competitor(ours.rollout, min_tokens=None),
    "transformers generate": Competitor(generators.transformers_generate),
    "transformers continuous batching": Competitor(generators.continuous_batching),
    "CTranslate2 float32": Competitor(
        generators.ctranslate2_float32, dtypes=("float32",), **_CTRANSLATE2
    ),
    "CTranslate2 int8": Competitor(generators.ctranslate2_int8, **_CTRANSLATE2),
    "single environments": Competitor(ours.single_environments, min_tokens=0, max_rows=SLOW_ROWS),
    "re-encoding, no cache": Competitor(generators.re_encoding, max_rows=SLOW_ROWS),
}
COMPARED_WITH = "environment"
"""The competitor that the others are compared with: it is always measured."""


def run(
    model: str = MODEL,
    rows: Sequence[int] = ROWS,
    dtypes: Sequence[str] = DTYPES,
    repeats: int = REPEATS,
    prompts: Sequence[int] = (PROMPT,),
    competitors: Sequence[str] | None = None,
) -> Row:
    """Compares competitors on one model; returns a JSON document.

    `speedup` is the time of the row's competitor over the environment's, prompts included;
    `share_of_limit` is decoding's share of the roofline.

    Args:
        model: A name in `benchmarks.harness.models.SHAPES`, or a `model=` of an environment.
        rows: Numbers of texts that are generated together.
        dtypes: "float32", "bfloat16" or "int8".
        repeats: Timed runs of each competitor.
        prompts: Tokens of a prompt.
        competitors: Keys of `COMPETITORS`, beside the environment; None for all.

    Raises:
        ValueError: If a competitor is unknown, the most rows do not fit in memory, or a prompt does
            not fit in the context.
    """
    for name in competitors or ():
        check_choice("competitor", name, COMPETITORS)
    folder = model_folder(model)
    jobs = [
        GenerationJob(folder, num_rows, prompt, NEW, dtype)
        for dtype in dtypes
        for prompt in prompts
        for num_rows in rows
    ]
    for job in jobs:
        check_fits(model, job, competitors)
    results = [row for job in jobs for row in _compare(model, job, repeats, competitors)]
    return {"subject": "throughput", "model": model, "new": NEW, "rows": results}


def check_fits(model: str, job: GenerationJob, competitors: Sequence[str] | None = None) -> None:
    """Checks that texts fit in the model's context and rows in memory, before anything is measured.

    Raises:
        ValueError: If not; the message has the longest prompt, or the most rows that fit.
    """
    longest = loading.read_model_config(job.folder).max_positions - job.new
    if job.prompt > longest:
        raise ValueError(f"Got prompts of {job.prompt} tokens; {model} has room for {longest}.")
    per_row = roofline.row_bytes(job.folder, job.prompt + job.new, job.dtype)
    count = len(_accepting(model, job, competitors))
    # A tenth stays free for what is not counted, such as activations.
    free = 0.9 * available_memory(default_device()) - count * roofline.model_bytes(
        job.folder, job.dtype
    )
    most = max(0, int(free // (count * per_row)))
    if job.num_rows > most:
        raise ValueError(
            f"Got {job.num_rows} rows of {count * per_row / 2**20:.0f} MiB each in {job.dtype}, "
            f"for {count} competitors; at most {most} fit here. Name fewer by --competitor."
        )


def _accepting(
    model: str, job: GenerationJob, competitors: Sequence[str] | None
) -> dict[str, Competitor]:
    """The environment and the named competitors, all for None, in the order of `COMPETITORS`."""
    named = COMPETITORS if competitors is None else {COMPARED_WITH, *competitors}
    chosen = {name: each for name, each in COMPETITORS.items() if name in named}
    return {name: each for name, each in chosen.items() if each.accepts(model, job)}


def _compare(
    model: str, job: GenerationJob, repeats: int, competitors: Sequence[str] | None
) -> list[Row]:
    """A row for each competitor in one job, those that are not installed included."""
    compared = _accepting(model, job, competitors)
    installed = {n: each for n, each in compared.items() if importlib.util.find_spec(each.package)}
    timings, peaks = _measure(installed, job, repeats)
    limit = roofline.decoding_limit(job)
    rows = []
    for name, competitor in compared.items():
        row: Row = {"what": name, "n": job.num_rows, "dtype": job.dtype, "prompt": job.prompt}
        if name in installed:
            row |= _rates(job, competitor, timings[name], timings.get(_prompts_key(name)))
            row["speedup"] = timing.speedup(timings[COMPARED_WITH], timings[name])
            row |= _share_of_limit(limit, row, job) if competitor.has_limit else {}
            row["peak_gib"] = peaks[name] / 2**30
        else:
            row["note"] = f"not installed: pip install {competitor.package}"
        rows.append(row)
    return rows


def _measure(
    competitors: Mapping[str, Competitor], job: GenerationJob, repeats: int
) -> tuple[dict[str, timing.Timing], dict[str, int]]:
    """Timings of each competitor and of its prompts alone; and peak memory in bytes."""
    processes = {
        name: CompetitorProcess(name, each.make, job) for name, each in competitors.items()
    }
    runs = {}
    for name, competitor in competitors.items():
        runs[name] = partial(processes[name].generate, job.new)
        if competitor.min_tokens is not None:
            runs[_prompts_key(name)] = partial(processes[name].generate, competitor.min_tokens)
    timings = timing.time_in_turns(runs, repeats)
    peaks = {name: process.peak_bytes() for name, process in processes.items()}
    for process in processes.values():
        process.close()
    return timings, peaks


def _prompts_key(name: str) -> str:
    return f"{name}, prompts"


def _rates(
    job: GenerationJob, competitor: Competitor, whole: timing.Timing, prompts: timing.Timing | None
) -> Row:
    """Tokens per second in total, of prompts alone and of decoding alone."""
    row: Row = {
        "tokens_per_s": job.num_rows * job.new / whole.median,
        "ms_per_step": 1e3 * whole.median / job.new,
        **whole.as_dict(),
    }
    if prompts is None or competitor.min_tokens is None:
        return row
    decoding = max(whole.median - prompts.median, 1e-9)  # noise may make the difference negative
    return row | {
        "prompts_s": prompts.median,
        "prompts_iqr": prompts.iqr,
        "prompt_tokens_per_s": job.num_rows * job.prompt / prompts.median,
        "decode_tokens_per_s": job.num_rows * (job.new - competitor.min_tokens) / decoding,
    }


def _share_of_limit(limit: roofline.Limit, row: Row, job: GenerationJob) -> Row:
    """Rates that decoding reached, and their share of what memory and arithmetic allow."""
    steps_per_s = row["decode_tokens_per_s"] / job.num_rows
    return {
        "gb_per_s": limit.cost.bytes * steps_per_s / 1e9,
        "gflop_per_s": limit.cost.flops * steps_per_s / 1e9,
        "share_of_limit": row["decode_tokens_per_s"] / limit.tokens_per_s,
        "limit": asdict(limit),
    }
