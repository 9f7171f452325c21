"""Environment steps per second by the number of processes that step rows, with Ray RLlib.

Owns what is measured of runners: the sampling of all, the learner's update, and the bytes of a step
and of the weights, from which the limits of larger clusters can be computed; see docs/cluster.md.
"""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agents.config.loading import load_config
from agents.config.train import TrainConfig
from agents.train_rllib.cluster import check_ray, connected
from agents.train_rllib.settings import steps_per_update
from benchmarks.harness import timing
from benchmarks.harness.models import model_folder

CONFIG = Path("configs/next_word_ppo.yaml")
STEPS = 48
"""Steps of each row in a timed run: two episodes of the configuration."""


def measure(
    model: str, counts: Sequence[int], rows: int, dtype: str, repeats: int
) -> list[dict[str, Any]]:
    """Returns a row for each number of runners.

    Args:
        model: Of each runner.
        counts: Numbers of runners. More than cores share them, and say nothing about a cluster.
        rows: Of each runner.
        dtype: Of the model.
        repeats: Timed runs.

    Raises:
        ModuleNotFoundError: If Ray is missing.
    """
    check_ray()
    arguments = {"model": str(model_folder(model)), "dtype": dtype}
    assignments = [f"env.kwargs.{name}={value}" for name, value in arguments.items()]
    config = load_config(TrainConfig, CONFIG, [*assignments, f"env.n_envs={rows}"])
    config = _with_small_batches(config)
    measured = [_measure(config, count, repeats) for count in counts]
    first = measured[0]["steps_per_s"] / counts[0]
    return [
        {**row, "dtype": dtype, "of_first": row["steps_per_runner"] / first} for row in measured
    ]


def _with_small_batches(config: TrainConfig) -> TrainConfig:
    """Returns a configuration whose minibatches are no larger than the batch of one runner."""
    kwargs = config.algorithm.kwargs
    most = min(kwargs["batch_size"], steps_per_update(config, runners=1))
    algorithm = config.algorithm.model_copy(update={"kwargs": {**kwargs, "batch_size": most}})
    return config.model_copy(update={"algorithm": algorithm})


def _measure(config: TrainConfig, count: int, repeats: int) -> dict[str, Any]:
    from agents.train_rllib.runners import Runners

    with connected(count, None):
        runners = Runners(config, count)
        try:
            sizes = runners.sample(STEPS)  # warms caches up
            durations = []
            for _ in range(repeats):
                start = time.perf_counter()
                sizes = runners.sample(STEPS)
                durations.append(time.perf_counter() - start)
            learner_s, learned = runners.time_update()
            weights = runners.parameters()["policy"].values()
        finally:
            runners.close()
    timed = timing.summarize(durations)
    steps = sum(each.steps for each in sizes)
    return {
        "what": f"{count} runners" if count > 1 else "1 runner",
        "n": config.env.n_envs,
        "steps_per_s": steps / timed.median,
        "steps_per_runner": steps / timed.median / count,
        "learner_steps_per_s": learned / learner_s,
        "bytes_per_step": sum(each.size for each in sizes) / steps,
        "weight_kb": sum(each.numel() * each.element_size() for each in weights) / 1e3,
        "note": f"{count} runners and the learner on {os.cpu_count()} cores",
        **timed.as_dict(),
    }
