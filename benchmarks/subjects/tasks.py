"""Cost of each task: steps per second of every language environment, rewards included.

Environments are measured as users get them, with their caches of prompts and texts: the first
steps, which fill the caches, are not timed. Where an action is a whole line, the model processes
that line, the options that follow it and the response; the tokens that it processes are counted.
Owns the list of language environments.
"""

from collections.abc import Sequence
from typing import Any

import gymnasium as gym

from agents.config.train import TUNING
from benchmarks.harness import timing
from benchmarks.harness.episodes import RandomSteps
from benchmarks.subjects.defaults import DTYPES, MODEL, REPEATS, ROWS, measure_settings

STEPS = 48
NUM_ACTIONS = 8
"""Random actions are drawn from the first of each environment's, so that all draw among as many."""

BASELINE = "lm_envs/NextWord-v0"


def run(
    model: str = MODEL,
    rows: Sequence[int] = ROWS,
    dtypes: Sequence[str] = DTYPES,
    repeats: int = REPEATS,
) -> dict[str, Any]:
    """Steps per second of each id, and its speed relative to next-word prediction."""
    return measure_settings("tasks", _compare, model, rows, dtypes, repeats)


def language_ids() -> list[str]:
    """Ids of all environments that generate text, the baseline first; no tuning environments."""
    others = sorted(name for name in gym.registry if name.startswith("lm_envs/"))
    return [BASELINE, *(name for name in others if name not in (BASELINE, *TUNING))]


def _compare(model: str, num_rows: int, dtype: str, repeats: int) -> list[dict[str, Any]]:
    names = language_ids()
    runs = {
        name: RandomSteps(name, model, num_rows, dtype, num_actions=NUM_ACTIONS, steps=STEPS)
        for name in names
    }
    before = {name: run.env.engine.num_forward_tokens for name, run in runs.items()}
    timings = timing.time_in_turns(runs, repeats)
    num_calls = repeats + 1  # the first call is not timed
    tokens_per_step = {
        name: (run.env.engine.num_forward_tokens - before[name]) / (num_calls * STEPS * num_rows)
        for name, run in runs.items()
    }
    return [
        {
            "what": name,
            "n": num_rows,
            "dtype": dtype,
            "steps_per_s": num_rows * STEPS / timings[name].median,
            "times_next_word": timing.speedup(timings[name], timings[BASELINE]),
            "tokens_per_step": tokens_per_step[name],
            "tokens_per_s": tokens_per_step[name] * num_rows * STEPS / timings[name].median,
            **timings[name].as_dict(),
        }
        for name in names
    ]
