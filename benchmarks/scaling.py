"""Cost of a token against rows and context: environment steps per second, and long contexts.

The environment as users get it: it remembers prompts, so that the first steps, which are not timed,
are slower than the others.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks import timing
from benchmarks.episodes import random_steps
from benchmarks.models import folder_of
from lm_envs.model import weights
from lm_envs.model.engine import Engine

STEPS = 96
CONTEXT_ROWS = 16
CONTEXTS = (64, 256, 512, 1016)
CONTEXT_STEPS = 8


def run(model: str, rows: Sequence[int], dtypes: Sequence[str], repeats: int) -> dict[str, Any]:
    """Environment steps per second by rows, and milliseconds per step by context."""
    results = []
    for dtype in dtypes:
        results += _by_rows(model, rows, dtype, repeats)
        results += _by_context(model, dtype, repeats)
    return {"subject": "scaling", "model": model, "rows": results}


def _by_rows(model: str, rows: Sequence[int], dtype: str, repeats: int) -> list[dict[str, Any]]:
    name, options = "lm_envs/NextWord-v0", {"num_actions": 16, "steps": STEPS}
    runs = {str(count): random_steps(name, model, count, dtype, **options) for count in rows}
    timings = timing.take_turns(runs, repeats)
    return [
        {
            "what": "environment",
            "n": num_rows,
            "dtype": dtype,
            "steps_per_s": num_rows * STEPS / timings[str(num_rows)].median,
            **timings[str(num_rows)].as_dict(),
        }
        for num_rows in rows
    ]


def _by_context(model: str, dtype: str, repeats: int) -> list[dict[str, Any]]:
    network = weights.load(folder_of(model), "auto", dtype)
    contexts = [c for c in CONTEXTS if c + CONTEXT_STEPS <= network.config.n_positions]
    rng = np.random.default_rng(0)
    runs = {}
    for context in contexts:
        engine = Engine(
            network,
            CONTEXT_ROWS,
            capacity=context + CONTEXT_STEPS,
            num_candidates=16,
            end_token=network.config.vocab_size - 1,
        )
        prompts = list(rng.integers(1, network.config.vocab_size, (CONTEXT_ROWS, context - 8)))
        engine.prefill(np.arange(CONTEXT_ROWS), prompts)
        runs[str(context)] = _steps(engine)
    timings = timing.take_turns(runs, repeats)
    shortest = timings[str(contexts[0])].median
    return [
        {
            "what": "engine",
            "n": CONTEXT_ROWS,
            "dtype": dtype,
            "context": context,
            "ms_per_step": 1e3 * timings[str(context)].median / CONTEXT_STEPS,
            "times_the_shortest": timings[str(context)].median / shortest,
            **timings[str(context)].as_dict(),
        }
        for context in contexts
    ]


def _steps(engine: Engine) -> Callable[[], None]:
    """A few steps at the same context, over and over."""
    start = engine.lengths.copy()

    def run() -> None:
        for _ in range(CONTEXT_STEPS):
            engine.append(engine.outputs.candidates[:, 0])
        engine.lengths[:] = start

    return run
