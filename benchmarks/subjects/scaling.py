"""Cost of a token against rows, context and size of the model.

The environment as users get it: it remembers prompts, so that the first steps, which are not timed,
are slower than the others.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks.harness import roofline, timing
from benchmarks.harness.episodes import RandomSteps
from benchmarks.harness.models import SHAPES, config_of, folder_of
from lm_envs.model import loading
from lm_envs.model.base import LanguageModel
from lm_envs.model.engine import Engine

STEPS = 96
CONTEXT_ROWS = 16
CONTEXTS = (64, 256, 512, 1016)
CONTEXT_STEPS = 8

Row = dict[str, Any]


SLOTS = {"auto": "", "int8": ", 8-bit keys and values"}
"""What keys and values are kept in, and how that is told."""

SIZES = ("embedded", *SHAPES)
"""Models from small to large; up to the one that is measured they are compared."""


def run(model: str, rows: Sequence[int], dtypes: Sequence[str], repeats: int) -> dict[str, Any]:
    """Steps per second by rows, milliseconds per step by context and by size of the model.

    `slope` is that of a straight line through the logarithms of milliseconds and of what they are
    measured against: 1 where the cost grows as that does, 0 where it does not grow.
    """
    results = []
    for dtype in dtypes:
        results += _by_rows(model, rows, dtype, repeats)
        for cache_dtype in SLOTS:
            results += _by_context(model, dtype, cache_dtype, repeats)
        results += _by_size(model, dtype, repeats)
    return {"subject": "scaling", "model": model, "rows": results}


def slope(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """Of the line through log cost against log size, by least squares."""
    return float(np.polyfit(np.log(sizes), np.log(costs), 1)[0])


def _by_rows(model: str, rows: Sequence[int], dtype: str, repeats: int) -> list[Row]:
    name, options = "lm_envs/NextWord-v0", {"num_actions": 16, "steps": STEPS}
    runs = {str(count): RandomSteps(name, model, count, dtype, **options) for count in rows}
    timings = timing.take_turns(runs, repeats)
    measured = [
        {
            "what": "environment",
            "n": num_rows,
            "dtype": dtype,
            "steps_per_s": num_rows * STEPS / timings[str(num_rows)].median,
            "ms_per_step": 1e3 * timings[str(num_rows)].median / STEPS,
            **timings[str(num_rows)].as_dict(),
        }
        for num_rows in rows
    ]
    return measured + _slope("rows", dtype, rows, measured)


def _by_context(model: str, dtype: str, cache_dtype: str, repeats: int) -> list[Row]:
    network = loading.load(folder_of(model), "auto", dtype)
    contexts = [c for c in CONTEXTS if c + CONTEXT_STEPS <= network.config.max_positions]
    runs = {str(context): _steps(network, context, cache_dtype) for context in contexts}
    timings = timing.take_turns(runs, repeats)
    shortest = timings[str(contexts[0])].median
    measured = [
        {
            "what": f"engine{SLOTS[cache_dtype]}",
            "n": CONTEXT_ROWS,
            "dtype": dtype,
            "context": context,
            "ms_per_step": 1e3 * timings[str(context)].median / CONTEXT_STEPS,
            "times_the_shortest": timings[str(context)].median / shortest,
            **timings[str(context)].as_dict(),
        }
        for context in contexts
    ]
    return measured + _slope(f"context{SLOTS[cache_dtype]}", dtype, contexts, measured)


def _by_size(model: str, dtype: str, repeats: int) -> list[Row]:
    models = SIZES[: SIZES.index(model) + 1] if model in SIZES else ()
    if len(models) < 2:
        return []
    folders = {name: folder_of(name) for name in models}
    runs = {n: _steps(loading.load(f, "auto", dtype), CONTEXTS[0]) for n, f in folders.items()}
    timings = timing.take_turns(runs, repeats)
    sizes = [roofline.matrices(config_of(folder)) for folder in folders.values()]
    measured = [
        {
            "what": f"engine of {name}, {size / 1e6:.0f} M weights in products",
            "n": CONTEXT_ROWS,
            "dtype": dtype,
            "context": CONTEXTS[0],
            "ms_per_step": 1e3 * timings[name].median / CONTEXT_STEPS,
            **timings[name].as_dict(),
        }
        for name, size in zip(models, sizes, strict=True)
    ]
    return measured + _slope("weights", dtype, sizes, measured)


def _slope(against: str, dtype: str, sizes: Sequence[float], rows: Sequence[Row]) -> list[Row]:
    """A row that tells how milliseconds grow; none where there is but one size."""
    if len(sizes) < 2:
        return []
    found = slope(sizes, [row["ms_per_step"] for row in rows])
    return [{"what": f"ms per step against {against}", "dtype": dtype, "slope": found}]


def _steps(network: LanguageModel, context: int, cache_dtype: str = "auto") -> Callable[[], None]:
    """A few steps at the same context, over and over."""
    engine = Engine(
        network,
        CONTEXT_ROWS,
        capacity=context + CONTEXT_STEPS,
        num_candidates=16,
        end_token=network.config.vocab_size - 1,
        cache_dtype=cache_dtype,
    )
    size = (CONTEXT_ROWS, context - CONTEXT_STEPS)
    prompts = np.random.default_rng(0).integers(1, network.config.vocab_size, size)
    engine.prefill(np.arange(CONTEXT_ROWS), list(prompts))
    start = engine.lengths.copy()

    def run() -> None:
        for _ in range(CONTEXT_STEPS):
            engine.decode(engine.outputs.candidates[:, 0])
        engine.lengths[:] = start

    return run
