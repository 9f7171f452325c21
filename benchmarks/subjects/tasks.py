"""Cost of each task: environment steps per second of every id that writes, rewards included.

As users get it: the model remembers prompts and texts, so that the first steps, which are not
timed, are slower than the others. Where a step is a line, the model reads that line, all lines that
are offered after it and what is answered: the tokens that it reads are counted.
"""

from collections.abc import Sequence
from typing import Any

import gymnasium as gym

from agents.config.train import TUNING
from benchmarks.harness import timing
from benchmarks.harness.episodes import RandomSteps

STEPS = 48
NUM_ACTIONS = 8
"""Only so many of the first actions are taken, whatever they stand for."""

YARDSTICK = "lm_envs/NextWord-v0"


def run(model: str, rows: Sequence[int], dtypes: Sequence[str], repeats: int) -> dict[str, Any]:
    """Steps per second of each id, and how that compares with next words."""
    results = []
    for dtype in dtypes:
        for num_rows in rows:
            results += _side_by_side(model, num_rows, dtype, repeats)
    return {"subject": "tasks", "model": model, "rows": results}


def writing_ids() -> list[str]:
    """Every id that writes, the yardstick first."""
    others = sorted(name for name in gym.registry if name.startswith("lm_envs/"))
    return [YARDSTICK, *(name for name in others if name not in (YARDSTICK, *TUNING))]


def _side_by_side(model: str, num_rows: int, dtype: str, repeats: int) -> list[dict[str, Any]]:
    names = writing_ids()
    runs = {
        name: RandomSteps(name, model, num_rows, dtype, num_actions=NUM_ACTIONS, steps=STEPS)
        for name in names
    }
    before = {name: run.env.engine.num_forward_tokens for name, run in runs.items()}
    timings = timing.take_turns(runs, repeats)
    calls = repeats + 1  # one is not timed
    read = {
        name: (run.env.engine.num_forward_tokens - before[name]) / (calls * STEPS * num_rows)
        for name, run in runs.items()
    }
    return [
        {
            "what": name,
            "n": num_rows,
            "dtype": dtype,
            "steps_per_s": num_rows * STEPS / timings[name].median,
            "times_next_word": timing.ratio(timings[name], timings[YARDSTICK]),
            "tokens_per_step": read[name],
            "tokens_per_s": read[name] * num_rows * STEPS / timings[name].median,
            **timings[name].as_dict(),
        }
        for name in names
    ]
