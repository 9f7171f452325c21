"""Cost of each task: environment steps per second of every id, all its default rewards included.

As users get it: the model remembers prompts and texts, so that the first steps, which are not
timed, are slower than the others.
"""

from collections.abc import Callable, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode

import lm_envs
from benchmarks import timing
from benchmarks.models import folder_of

gym.register_envs(lm_envs)

STEPS = 48
WARM_UP_STEPS = 384
"""Steps before the first that is timed."""

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
    """One of the first 8 actions, whatever they stand for; resets included."""
    env = gym.make_vec(
        name,
        num_envs=num_rows,
        model=str(folder_of(model)),
        dtype=dtype,
        autoreset_mode=AutoresetMode.SAME_STEP,
    )
    space = env.unwrapped.single_action_space
    assert isinstance(space, gym.spaces.Discrete)
    env.reset(seed=0)
    rng, num_actions = np.random.default_rng(0), min(8, int(space.n))
    for _ in range(WARM_UP_STEPS):
        env.step(rng.integers(0, num_actions, num_rows))

    def run() -> None:
        for _ in range(STEPS):
            env.step(rng.integers(0, num_actions, num_rows))

    return run
