"""Section `environment`: NextWord-v0 with a cheap and with the default reward, beside the engine.

Owns the settings and the split of a step's time into engine and host. The sampler is in
`benchmarks.subjects.time_shares`.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode

import lm_envs
from benchmarks.gpu.section import Row, Section
from benchmarks.harness import timing
from benchmarks.harness.models import GPT2_124M, model_folder
from benchmarks.subjects.time_shares import sampled

gym.register_envs(lm_envs)

ENV = "lm_envs/NextWord-v0"
BEST, RANDOM = "best token, fluency", "random tokens, all rewards"
ENGINE_PARTS = ("prompts", "lines", "products", "attention", "top_tokens", "rest_of_model")
"""Parts of `time_shares` that are the engine's, its waiting for the device included."""

STEPS = 64
REPEATS = 3
NEEDED_S = 10.0


def run(section: Section) -> None:
    """Reports a row for each model, number of rows, and kind of play."""
    models = ("embedded",) if section.is_small else (GPT2_124M, "embedded")
    for model in models:
        for num_rows in (2,) if section.is_small else (64, 256, 1024):
            for what in (BEST, RANDOM):
                measure_one = partial(_measure, section, model, num_rows, what)
                dtype = "bfloat16" if section.is_cuda else "float32"
                labels = {"model": model, "n": num_rows, "dtype": dtype}
                section.attempt(what, NEEDED_S, measure_one, **labels)


def _measure(section: Section, model: str, num_rows: int, what: str) -> Row:
    """Steps per second, and the shares of a step's time."""
    steps = 4 if section.is_small else STEPS
    options: dict[str, Any] = {"rewards": {"fluency": 1.0}} if what == BEST else {}
    env = gym.make_vec(
        ENV,
        num_envs=num_rows,
        model=str(model_folder(model)),
        max_new_tokens=steps,
        autoreset_mode=AutoresetMode.SAME_STEP,
        **options,
    )
    env.reset(seed=0)
    take = partial(_take, env, steps, _player(what, num_rows))
    durations = timing.time_in_turns({what: take}, REPEATS)[what]
    with sampled() as seconds:
        take()
    env.close()
    engine = sum(seconds.get(part, 0.0) for part in ENGINE_PARTS) / max(sum(seconds.values()), 1e-9)
    step_ms = 1e3 * durations.median / steps
    return {
        "steps_per_s": num_rows * steps / durations.median,
        "ms_per_step": step_ms,
        "engine_ms": step_ms * engine,
        "host_share": 1 - engine,
        "host_us_per_row": 1e3 * step_ms * (1 - engine) / num_rows,
        **durations.as_dict(),
    }


def _player(what: str, num_rows: int) -> Callable[[], np.ndarray]:
    if what == BEST:
        return lambda: np.zeros(num_rows, np.int64)
    rng = np.random.default_rng(0)
    return lambda: rng.integers(0, 16, num_rows)


def _take(env: gym.vector.VectorEnv, steps: int, play: Callable[[], np.ndarray]) -> None:
    for _ in range(steps):
        env.step(play())
