"""Cost of a token by number of rows, context length and size of the model.

The environment is measured as users get it, with its prompt cache: the first steps, which fill the
cache, are not timed. Owns the sizes that are compared.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks.harness import roofline, timing
from benchmarks.harness.episodes import RandomSteps
from benchmarks.harness.models import GPT2_SHAPES, model_folder
from benchmarks.subjects import runners
from benchmarks.subjects.defaults import DTYPES, MODEL, REPEATS, ROWS
from lm_envs.model import loading
from lm_envs.model.base import LanguageModel
from lm_envs.model.engine import Engine

STEPS = 96
CONTEXT_ROWS = 16
CONTEXTS = (64, 256, 512, 1016)
"""Context lengths in tokens; the last plus `CONTEXT_STEPS` fills GPT-2's 1024 positions."""

CONTEXT_STEPS = 8

CACHES = {"auto": "", "int8": ", 8-bit keys and values"}
"""Suffix of a row's name by the dtype of its KV cache."""

SIZES = ("embedded", *GPT2_SHAPES)
"""Models from small to large; those up to the measured one are compared."""

Row = dict[str, Any]


def run(
    model: str = MODEL,
    rows: Sequence[int] = ROWS,
    dtypes: Sequence[str] = DTYPES,
    repeats: int = REPEATS,
    counts: Sequence[int] = (),
) -> dict[str, Any]:
    """Steps per second by rows; milliseconds per step by context and by size of the model.

    With `counts` it measures steps per second by the number of Ray's runners instead, with the
    first of `rows` in each. `slope` is the slope of a straight line through the logarithms of size
    and milliseconds: 1 where the cost is proportional to the size, 0 where it is constant.
    """
    results = []
    for dtype in dtypes:
        if counts:
            results += runners.measure(model, counts, rows[0], dtype, repeats)
            continue
        results += _by_rows(model, rows, dtype, repeats)
        for cache_dtype in CACHES:
            results += _by_context(model, dtype, cache_dtype, repeats)
        results += _by_size(model, dtype, repeats)
    return {"subject": "scaling", "model": model, "rows": results}


def slope(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """Slope of the least-squares line through log cost over log size."""
    return float(np.polyfit(np.log(sizes), np.log(costs), 1)[0])


def _by_rows(model: str, rows: Sequence[int], dtype: str, repeats: int) -> list[Row]:
    name, options = "lm_envs/NextWord-v0", {"num_actions": 16, "steps": STEPS}
    runs = {str(count): RandomSteps(name, model, count, dtype, **options) for count in rows}
    timings = timing.time_in_turns(runs, repeats)
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
    return measured + _slope_row("rows", dtype, rows, measured)


def _by_context(model: str, dtype: str, cache_dtype: str, repeats: int) -> list[Row]:
    network = loading.load(model_folder(model), "auto", dtype)
    contexts = [c for c in CONTEXTS if c + CONTEXT_STEPS <= network.config.max_positions]
    runs = {str(context): _decoding_run(network, context, cache_dtype) for context in contexts}
    timings = timing.time_in_turns(runs, repeats)
    shortest = timings[str(contexts[0])].median
    measured = [
        {
            "what": f"engine{CACHES[cache_dtype]}",
            "n": CONTEXT_ROWS,
            "dtype": dtype,
            "context": context,
            "ms_per_step": 1e3 * timings[str(context)].median / CONTEXT_STEPS,
            "times_the_shortest": timings[str(context)].median / shortest,
            **timings[str(context)].as_dict(),
        }
        for context in contexts
    ]
    return measured + _slope_row(f"context{CACHES[cache_dtype]}", dtype, contexts, measured)


def _by_size(model: str, dtype: str, repeats: int) -> list[Row]:
    models = SIZES[: SIZES.index(model) + 1] if model in SIZES else ()
    if len(models) < 2:
        return []
    folders = {name: model_folder(name) for name in models}
    runs = {
        name: _decoding_run(loading.load(folder, "auto", dtype), CONTEXTS[0])
        for name, folder in folders.items()
    }
    timings = timing.time_in_turns(runs, repeats)
    sizes = [roofline.num_matrix_weights(loading.read_model_config(f)) for f in folders.values()]
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
    return measured + _slope_row("weights", dtype, sizes, measured)


def _slope_row(against: str, dtype: str, sizes: Sequence[float], rows: Sequence[Row]) -> list[Row]:
    """One row with the growth of milliseconds; none where there is only one size."""
    if len(sizes) < 2:
        return []
    growth = slope(sizes, [row["ms_per_step"] for row in rows])
    return [{"what": f"ms per step against {against}", "dtype": dtype, "slope": growth}]


def _decoding_run(
    network: LanguageModel, context: int, cache_dtype: str = "auto"
) -> Callable[[], None]:
    """A few decoding steps that start at the same context length in every call."""
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
        engine.lengths[:] = start  # the next call overwrites the keys and values of this one

    return run
