"""Shares of a step's time: the model's parts, rewards, observations and text (subject `profile`).

A timer signal looks every millisecond where Python is, and charges the time since its last look to
that part; a long call in C delays the signal and is charged in full. Environments are measured as
users get them, with their caches of prompts and texts: the first steps, which fill the caches, are
not timed. Owns the assignment of functions to parts.
"""

import signal
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

from benchmarks.harness import timing
from benchmarks.harness.episodes import RandomSteps
from benchmarks.subjects.defaults import DTYPES, MODEL, REPEATS, ROWS
from benchmarks.subjects.tasks import NUM_ACTIONS, STEPS, language_ids
from lm_envs.validation import check_choice

INTERVAL_S = 1e-3
REST = "environment"
"""The part of everything else: transcripts, infos, autoreset, the loop itself."""

OUTER = {
    "prompts": ("lm_envs.model.engine:Engine.prefill",),
    "lines": tuple(
        f"lm_envs.model.{name}"
        for name in (
            "engine:Engine.extend",
            "engine:Engine.extend_scored",
            "engine:Engine.score_options",
            "scoring:Scorer.next_token_logprobs",
        )
    ),
}
"""Functions whose callees all count as their part: prefill of prompts, and of whole lines."""

INNER = {
    "products": ("lm_envs.model.kernels.linear:",),
    "attention": (
        "lm_envs.model.attention:",
        "lm_envs.model.kv_cache:",
        "lm_envs.model.kernels.native:NativeAttention.",
    ),
    "top_tokens": ("lm_envs.model.kernels.native:NativeKernels.top_k", "lm_envs.model.lm_head:"),
    "rest_of_model": ("lm_envs.model.",),
    "reward": ("lm_envs.tasks.", "lm_envs.envs.reward_tracker:"),
    "observation": ("lm_envs.envs.observations.base:", "lm_envs.envs.observations.features:"),
    "text": ("lm_envs.tokenizer.",),
}
"""Prefixes of functions whose own time is their part's, as is that of callees without a part.

The first part that matches wins, so that `rest_of_model` comes after the model's other parts.
"""

PARTS = (*OUTER, *INNER, REST)


def run(
    model: str = MODEL,
    rows: Sequence[int] = ROWS,
    dtypes: Sequence[str] = DTYPES,
    repeats: int = REPEATS,
    ids: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Share of each part in the time of a step, for the given ids or for all that generate text.

    Raises:
        ValueError: If an id is not that of a language environment.
    """
    for name in ids or ():
        check_choice("env", name, language_ids())
    results = [
        measure_shares(name, model, num_rows, dtype, repeats)
        for dtype in dtypes
        for num_rows in rows
        for name in ids or language_ids()
    ]
    return {"subject": "profile", "model": model, "rows": results}


def measure_shares(
    name: str, model: str, num_rows: int, dtype: str, repeats: int
) -> dict[str, Any]:
    """Steps per second of an id, and the share of each part in [0, 1]; the shares sum to 1."""
    steps = RandomSteps(name, model, num_rows, dtype, num_actions=NUM_ACTIONS, steps=STEPS)
    with sampled() as seconds:
        durations = timing.time_in_turns({name: steps}, repeats)[name]
    total = sum(seconds.values())
    return {
        "what": name,
        "n": num_rows,
        "dtype": dtype,
        "steps_per_s": num_rows * STEPS / durations.median,
        **durations.as_dict(),
        **{part: seconds[part] / total for part in PARTS},
    }


def part_of(frame: FrameType | None) -> str:
    """The part that a stack frame belongs to, one of `PARTS`."""
    names = list(_stack_names(frame))
    for part, functions in OUTER.items():
        if any(name.startswith(functions) for name in names):
            return part
    parts = (
        part for name in names for part, prefixes in INNER.items() if name.startswith(prefixes)
    )
    return next(parts, REST)


@contextmanager
def sampled() -> Iterator[dict[str, float]]:
    """Measures seconds by part while the block runs; complete when it ends.

    Uses SIGALRM, so that it works on the main thread only.
    """
    seconds: dict[str, float] = defaultdict(float)
    last = time.perf_counter()

    def sample(_: int, frame: FrameType | None) -> None:
        nonlocal last
        now = time.perf_counter()
        seconds[part_of(frame)] += now - last
        last = now

    before = signal.signal(signal.SIGALRM, sample)
    signal.setitimer(signal.ITIMER_REAL, INTERVAL_S, INTERVAL_S)
    try:
        yield seconds
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _stack_names(frame: FrameType | None) -> Iterator[str]:
    """`module:function` of a frame and of its callers, the innermost first."""
    while frame is not None:
        yield f"{frame.f_globals.get('__name__')}:{frame.f_code.co_qualname}"
        frame = frame.f_back
