"""Steps per second of training: the environment alone, and PPO's rollouts and updates on it.

The environment is measured as users get it, with its prompt cache, which the rollouts of the
warm-up fill in part. Owns the configuration that is trained.
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
from benchmarks.harness.models import model_folder
from benchmarks.subjects.defaults import DTYPES, MODEL, REPEATS, ROWS, measure_settings

CONFIG = Path("configs/next_word_ppo.yaml")
ROLLOUTS = 4
"""Rollouts in one timed run; an update follows each."""


def run(
    model: str = MODEL,
    rows: Sequence[int] = ROWS,
    dtypes: Sequence[str] = DTYPES,
    repeats: int = REPEATS,
) -> dict[str, Any]:
    """Steps per second of PPO with the hyperparameters of `configs/next_word_ppo.yaml`."""
    return measure_settings("training", _compare, model, rows, dtypes, repeats)


def _compare(model: str, num_rows: int, dtype: str, repeats: int) -> list[dict[str, Any]]:
    algorithm = _make_ppo(model, num_rows, dtype)
    steps = ROLLOUTS * algorithm.n_steps * num_rows  # type: ignore[attr-defined]  # PPO has it
    runs: dict[str, Callable[[], object]] = {
        "PPO, rollouts and updates": partial(algorithm.learn, steps),
        "environment, random actions": _random_steps(algorithm, steps // num_rows),
    }
    timings = timing.time_in_turns(runs, repeats)
    return [
        {
            "what": name,
            "n": num_rows,
            "dtype": dtype,
            "steps_per_s": steps / duration.median,
            **duration.as_dict(),
        }
        for name, duration in timings.items()
    ]


def _make_ppo(model: str, num_rows: int, dtype: str) -> BaseAlgorithm:
    arguments = {"model": str(model_folder(model)), "dtype": dtype}
    assignments = [f"env.kwargs.{name}={value}" for name, value in arguments.items()]
    config = load_config(TrainConfig, CONFIG, [*assignments, f"env.n_envs={num_rows}"])
    return make_algorithm(config, make_training_env(config), None)


def _random_steps(algorithm: BaseAlgorithm, steps: int) -> Callable[[], None]:
    """Steps of the algorithm's environment with actions that are drawn in advance."""
    env = algorithm.get_env()
    assert env is not None
    actions = [[env.action_space.sample() for _ in range(env.num_envs)] for _ in range(steps)]

    def run() -> None:
        for chosen in actions:
            env.step(np.array(chosen))

    return run
