"""Tokens per second of the environment, the bare engine and rivals, in one run.

A token of ours is a whole environment step of a row: act, write, judge by the fluency reward,
observe hidden state and top-16 words. Prompts come again at each turn, and no contestant remembers
them; what they cost is shown apart from decoding.
"""

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from agents.language_model.memory_estimate import available_memory
from benchmarks.competitors import generators, ours
from benchmarks.harness import roofline, timing
from benchmarks.harness.models import SHAPES, config_of, folder_of
from benchmarks.harness.processes import Contestant, Job, Writer

PROMPT, NEW = 32, 64
NAIVE_ROWS = 8
"""Most rows of re-encoding and of single environments, which take minutes beyond."""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of contestant.

    Attributes:
        make: What writes.
        least: Fewest words that it writes; None where prompts cannot be told from decoding.
        is_ours: Whether it costs what our engine costs, and is held against its limit.
        most_rows: Beyond which it is left out.
        package: That it needs beside ours.
        models: That it can read; all where empty.
        dtypes: That it is compared in.
    """

    make: Callable[[Job], Writer]
    least: int | None = 1
    is_ours: bool = False
    most_rows: float = float("inf")
    package: str = "torch"
    models: Sequence[str] = ()
    dtypes: Sequence[str] = ("float32", "bfloat16", "int8")

    def takes_part(self, model: str, job: Job) -> bool:
        """Whether it is asked for at all."""
        is_known = not self.models or model in self.models
        return is_known and job.num_rows <= self.most_rows and job.dtype in self.dtypes


_CTRANSLATE2: Mapping[str, Any] = {"package": "ctranslate2", "models": tuple(SHAPES)}
KINDS = {
    "environment": Kind(ours.environment, least=0, is_ours=True),
    "environment, 8-bit keys and values": Kind(ours.with_8_bit_cache, least=0),
    "engine": Kind(ours.engine, least=0, is_ours=True),
    "Stable-Baselines3 rollout": Kind(ours.rollout, least=None),
    "transformers generate": Kind(generators.generate),
    "transformers continuous batching": Kind(generators.continuous_batching),
    "CTranslate2 float32": Kind(
        generators.ctranslate2_float32, dtypes=("float32",), **_CTRANSLATE2
    ),
    "CTranslate2 int8": Kind(generators.ctranslate2_int8, **_CTRANSLATE2),
    "single environments": Kind(ours.single_environments, least=0, most_rows=NAIVE_ROWS),
    "re-encoding, no cache": Kind(generators.re_encode, most_rows=NAIVE_ROWS),
}


def run(
    model: str,
    rows: Sequence[int],
    dtypes: Sequence[str],
    repeats: int,
    *,
    prompts: Sequence[int] = (PROMPT,),
) -> Row:
    """All comparisons of one model; a JSON document.

    `speedup` is how many times faster the environment is than the row's contestant, prompts
    included; `share_of_limit` is decoding's share of the roofline.

    Raises:
        ValueError: If the most rows do not fit in memory, or a prompt not in the model.
    """
    folder = folder_of(model)
    jobs = [
        Job(folder, num_rows, prompt, NEW, dtype)
        for dtype in dtypes
        for prompt in prompts
        for num_rows in rows
    ]
    for job in jobs:
        check_room(model, job)
    results = [row for job in jobs for row in _compare(model, job, repeats)]
    return {"subject": "throughput", "model": model, "new": NEW, "rows": results}


def check_room(model: str, job: Job) -> None:
    """Refuses texts longer than the model reads, or more than memory holds, before any is written.

    Raises:
        ValueError: Naming the longest prompt, or the most rows that fit.
    """
    longest = config_of(job.folder).n_positions - job.new
    if job.prompt > longest:
        raise ValueError(f"Got prompts of {job.prompt} tokens; {model} has room for {longest}.")
    per_row = roofline.row_bytes(job.folder, job.prompt + job.new, job.dtype)
    count = sum(kind.takes_part(model, job) for kind in KINDS.values())
    free = 0.9 * available_memory() - count * roofline.model_bytes(job.folder, job.dtype)
    most = max(0, int(free // (count * per_row)))
    if job.num_rows > most:
        raise ValueError(
            f"Got {job.num_rows} rows of {count * per_row / 2**20:.0f} MiB each in {job.dtype}, "
            f"for {count} contestants; at most {most} fit here."
        )


def _compare(model: str, job: Job, repeats: int) -> list[Row]:
    """A row for each contestant in one job."""
    kinds = {name: kind for name, kind in KINDS.items() if kind.takes_part(model, job)}
    there = {name: k for name, k in kinds.items() if importlib.util.find_spec(k.package)}
    contestants = {name: Contestant(name, kind.make, job) for name, kind in there.items()}
    turns = {}
    for name, kind in there.items():
        turns[name] = partial(contestants[name].write, job.new)
        if kind.least is not None:
            turns[_prompts_of(name)] = partial(contestants[name].write, kind.least)
    timings = timing.take_turns(turns, repeats)
    peaks = {name: contestant.peak_bytes() for name, contestant in contestants.items()}
    for contestant in contestants.values():
        contestant.leave()
    limit = roofline.limit_of(job)
    rows = []
    for name, kind in kinds.items():
        row: Row = {"what": name, "n": job.num_rows, "dtype": job.dtype, "prompt": job.prompt}
        if name in there:
            row |= _rates(job, kind, timings[name], timings.get(_prompts_of(name)))
            row["speedup"] = timing.ratio(timings["environment"], timings[name])
            row |= _against(limit, row, job) if kind.is_ours else {}
            row["peak_gib"] = peaks[name] / 2**30
        else:
            row["note"] = f"not installed: pip install {kind.package}"
        rows.append(row)
    return rows


def _prompts_of(name: str) -> str:
    return f"{name}, prompts"


def _rates(job: Job, kind: Kind, whole: timing.Timing, prompts: timing.Timing | None) -> Row:
    """Tokens per second of all, of prompts alone and of decoding alone."""
    row: Row = {
        "tokens_per_s": job.num_rows * job.new / whole.median,
        "ms_per_step": 1e3 * whole.median / job.new,
        **whole.as_dict(),
    }
    if prompts is None or kind.least is None:
        return row
    decoding = max(whole.median - prompts.median, 1e-9)
    return row | {
        "prompts_s": prompts.median,
        "prompts_iqr": prompts.iqr,
        "prompt_tokens_per_s": job.num_rows * job.prompt / prompts.median,
        "decode_tokens_per_s": job.num_rows * (job.new - kind.least) / decoding,
    }


def _against(limit: roofline.Limit, row: Row, job: Job) -> Row:
    """What decoding reached of what memory and arithmetic allow."""
    steps_per_s = row["decode_tokens_per_s"] / job.num_rows
    return {
        "gb_per_s": limit.cost.bytes * steps_per_s / 1e9,
        "gflop_per_s": limit.cost.flops * steps_per_s / 1e9,
        "share_of_limit": row["decode_tokens_per_s"] / limit.tokens_per_s,
        "limit": asdict(limit),
    }
