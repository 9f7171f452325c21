"""Where the time of a step goes: shares of the model's parts, rewards, observations and text.

Owns what counts as which part. Every millisecond a signal looks where Python is; what it sees is
charged the time since it last looked, so that a long call counts for as long as it took. As users
get it: prompts and texts are remembered, so that the first steps, which are not timed, are slower.
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
from benchmarks.subjects.tasks import NUM_ACTIONS, STEPS, writing_ids
from lm_envs.validation import check_choice

INTERVAL_S = 1e-3
REST = "environment"
"""What is none of the parts: whose turn it is, transcripts, infos, autoreset, the loop itself."""

OUTER = {
    "prompts": ("lm_envs.model.engine:Engine.prefill",),
    "lines": tuple(
        f"lm_envs.model.engine:Engine.{name}"
        for name in ("extend", "extend_scored", "score", "score_options")
    ),
}
"""Functions that all below them is charged to: reading prompts, and reading whole lines."""

INNER = {
    "products": ("lm_envs.model.kernels.linear:", "lm_envs.model.kernels.packed_linear:"),
    "attention": ("lm_envs.model.kv_cache:", "lm_envs.model.kernels.native:Read."),
    "top_tokens": ("lm_envs.model.kernels.native:NativeKernels.best", "lm_envs.model.lm_head:"),
    "rest_of_model": ("lm_envs.model.",),
    "reward": ("lm_envs.tasks.", "lm_envs.envs.reward_tracker:"),
    "observation": ("lm_envs.envs.observations.base:", "lm_envs.envs.observations.features:"),
    "text": ("lm_envs.tokenizer:",),
}
"""Functions that own what they do themselves, and what others do for them that have no part."""

PARTS = (*OUTER, *INNER, REST)


def run(
    model: str,
    rows: Sequence[int],
    dtypes: Sequence[str],
    repeats: int,
    *,
    ids: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Share of each part in the time of a step, for ids that write, all by default.

    Raises:
        ValueError: If an id is not one of them.
    """
    for name in ids or ():
        check_choice("env", name, writing_ids())
    results = [
        index_row(name, model, num_rows, dtype, repeats)
        for dtype in dtypes
        for num_rows in rows
        for name in ids or writing_ids()
    ]
    return {"subject": "profile", "model": model, "rows": results}


def index_row(name: str, model: str, num_rows: int, dtype: str, repeats: int) -> dict[str, Any]:
    """Steps per second of an id, and the share of each part."""
    steps = RandomSteps(name, model, num_rows, dtype, num_actions=NUM_ACTIONS, steps=STEPS)
    with sampled() as seconds:
        taken = timing.take_turns({name: steps}, repeats)[name]
    total = sum(seconds.values())
    return {
        "what": name,
        "n": num_rows,
        "dtype": dtype,
        "steps_per_s": num_rows * STEPS / taken.median,
        **taken.as_dict(),
        **{part: seconds[part] / total for part in PARTS},
    }


def part_of(frame: FrameType | None) -> str:
    """The part that a frame works for."""
    names = list(_names(frame))
    for part, functions in OUTER.items():
        if any(name.startswith(functions) for name in names):
            return part
    found = (part for name in names for part, own in INNER.items() if name.startswith(own))
    return next(found, REST)


@contextmanager
def sampled() -> Iterator[dict[str, float]]:
    """Seconds of each part while the block runs, on the main thread; complete when it ends."""
    seconds: dict[str, float] = defaultdict(float)
    last = time.perf_counter()

    def look(_: int, frame: FrameType | None) -> None:
        nonlocal last
        now = time.perf_counter()
        seconds[part_of(frame)] += now - last
        last = now

    before = signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, INTERVAL_S, INTERVAL_S)
    try:
        yield seconds
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _names(frame: FrameType | None) -> Iterator[str]:
    """Module and function of a frame and of those that called it, the innermost first."""
    while frame is not None:
        yield f"{frame.f_globals.get('__name__')}:{frame.f_code.co_qualname}"
        frame = frame.f_back
