"""Cost of each task: environment steps per second of every id, all its default rewards included."""

from collections.abc import Callable, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode

import lm_envs
from benchmarks import timing
from benchmarks.models import folder_of
from lm_envs.envs.vector_env import LanguageVectorEnv

gym.register_envs(lm_envs)

STEPS = 48
YARDSTICK = "lm_envs/NextWord-v0"


def run(model: str, rows: Sequence[int], dtypes: Sequence[str], repeats: int) -> dict[str, Any]:
    """Steps per second of each id, and how that compares with next words."""
    results = []
    for dtype in dtypes:
        for num_rows in rows:
            results += _side_by_side(model, num_rows, dtype, repeats)
    return {"subject": "tasks", "model": model, "rows": results}


def _side_by_side(model: str, num_rows: int, dtype: str, repeats: int) -> list[dict[str, Any]]:
    others = sorted(name for name in gym.registry if name.startswith("lm_envs/"))
    names = [YARDSTICK, *(name for name in others if name != YARDSTICK)]
    timings = timing.take_turns(
        {name: _episodes(name, model, num_rows, dtype) for name in names}, repeats
    )
    return [
        {
            "what": name,
            "n": num_rows,
            "dtype": dtype,
            "steps_per_s": num_rows * STEPS / timings[name].median,
            "times_next_word": timing.ratio(timings[name], timings[YARDSTICK]),
            **timings[name].as_dict(),
        }
        for name in names
    ]


def _episodes(name: str, model: str, num_rows: int, dtype: str) -> Callable[[], None]:
    """What the model proposes, its 8 likeliest words or lines alike; resets included."""
    env = gym.make_vec(
        name,
        num_envs=num_rows,
        model=str(folder_of(model)),
        dtype=dtype,
        autoreset_mode=AutoresetMode.SAME_STEP,
    ).unwrapped
    assert isinstance(env, LanguageVectorEnv)
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    ranks = rng.integers(0, min(8, env.proposals.shape[1]), (STEPS, num_rows))

    def run() -> None:
        for chosen in ranks:
            env.step(env.of_ranks(chosen))

    return run
