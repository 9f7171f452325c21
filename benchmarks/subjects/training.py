"""Steps per second of training: the environment alone, and PPO's rollouts and updates on it.

As users get it: the environment remembers prompts, many of them from the rollouts that warm it up.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm

from agents.algorithms.factory import make_algorithm, make_training_env
from agents.config.loading import load_config
from agents.config.train import TrainConfig
from benchmarks.harness import timing
from benchmarks.harness.models import folder_of

CONFIG = Path("configs/next_word_ppo.yaml")
ROLLOUTS = 4
"""Rollouts, each followed by an update, in one measurement."""


def run(model: str, rows: Sequence[int], dtypes: Sequence[str], repeats: int) -> dict[str, Any]:
    """Steps per second of PPO as `configs/next_word_ppo.yaml` trains it."""
    results = []
    for dtype in dtypes:
        for num_rows in rows:
            results += _side_by_side(model, num_rows, dtype, repeats)
    return {"subject": "training", "model": model, "rows": results}


def _side_by_side(model: str, num_rows: int, dtype: str, repeats: int) -> list[dict[str, Any]]:
    learner = _learner(model, num_rows, dtype)
    steps = ROLLOUTS * learner.n_steps * num_rows  # type: ignore[attr-defined]  # PPO has it
    runs: dict[str, Callable[[], object]] = {
        "PPO, rollouts and updates": partial(learner.learn, steps),
        "environment, random actions": _environment(learner, steps // num_rows),
    }
    timings = timing.take_turns(runs, repeats)
    return [
        {
            "what": name,
            "n": num_rows,
            "dtype": dtype,
            "steps_per_s": steps / taken.median,
            **taken.as_dict(),
        }
        for name, taken in timings.items()
    ]


def _learner(model: str, num_rows: int, dtype: str) -> BaseAlgorithm:
    arguments = {"model": str(folder_of(model)), "dtype": dtype}
    assignments = [f"env.kwargs.{name}={value}" for name, value in arguments.items()]
    config = load_config(TrainConfig, CONFIG, [*assignments, f"env.n_envs={num_rows}"])
    return make_algorithm(config, make_training_env(config), None)


def _environment(learner: BaseAlgorithm, steps: int) -> Callable[[], None]:
    env = learner.get_env()
    assert env is not None
    actions = [[env.action_space.sample() for _ in range(env.num_envs)] for _ in range(steps)]

    def run() -> None:
        for chosen in actions:
            env.step(np.array(chosen))

    return run
