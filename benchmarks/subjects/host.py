"""Time of a step outside the model: the engine is replaced by outputs of earlier steps.

Actions are drawn from all candidates, so that one row in about twelve ends in each step and starts
again. The time is that of this thread on the processor, which other processes do not lengthen.
Owns what is counted as outside the model: all but the methods of the engine.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks.harness import timing
from benchmarks.harness.episodes import RandomSteps
from benchmarks.harness.prepared_engine import replace_engine
from benchmarks.subjects.defaults import REPEATS
from benchmarks.subjects.tasks import BASELINE, language_ids
from lm_envs.envs.vector_env import LanguageVectorEnv
from lm_envs.model.loading import EMBEDDED
from lm_envs.sb3 import LanguageVecEnv
from lm_envs.validation import check_choice

ROWS = (256,)
DTYPE = "float32"
STEPS = 48
"""Steps in a timed run."""

ALL_ACTIONS = 2**31
"""More than any environment has: actions are drawn from all."""


def run(
    model: str = EMBEDDED,
    rows: Sequence[int] = ROWS,
    repeats: int = REPEATS,
    ids: Sequence[str] = (BASELINE,),
) -> dict[str, Any]:
    """Microseconds a row and step outside the model, by the batch and by its SB3 adapter.

    Raises:
        ValueError: If an id is not that of a language environment, or scores whole lines.
    """
    for name in ids:
        check_choice("env", name, language_ids())
    results = [row for n in rows for name in ids for row in _measure(name, model, n, repeats)]
    return {"subject": "host", "model": model, "rows": results}


def make_env(name: str, model: str, num_rows: int) -> LanguageVectorEnv:
    """An environment of this id after random steps, whose engine computes nothing any more."""
    steps = RandomSteps(name, model, num_rows, DTYPE, num_actions=ALL_ACTIONS, steps=1)
    outputs = []
    for _ in range(STEPS):
        steps()
        outputs.append(steps.env.outputs)
    replace_engine(steps.env, outputs)
    return steps.env


def _measure(name: str, model: str, num_rows: int, repeats: int) -> list[dict[str, Any]]:
    env = make_env(name, model, num_rows)
    steppers = {name: env.step, f"{name}, Stable-Baselines3": _sb3_step(env)}
    num_actions = int(env.action_space.nvec[0])  # type: ignore[attr-defined]  # the engine's ranks
    actions = np.random.default_rng(0).integers(0, num_actions, (STEPS, num_rows))
    durations: dict[str, list[float]] = {what: [] for what in steppers}
    for _ in range(repeats):
        for what, step in steppers.items():
            start = time.thread_time()
            for chosen in actions:
                step(chosen)
            durations[what].append(time.thread_time() - start)
    return [_row(what, num_rows, timing.summarize(each)) for what, each in durations.items()]


def _sb3_step(env: LanguageVectorEnv) -> Callable[[np.ndarray], object]:
    return LanguageVecEnv.from_vector_env(env).step


def _row(what: str, num_rows: int, timed: timing.Timing) -> dict[str, Any]:
    return {
        "what": what,
        "n": num_rows,
        "us_per_row": 1e6 * timed.median / (STEPS * num_rows),
        "ms_per_step": 1e3 * timed.median / STEPS,
        **timed.as_dict(),
    }
