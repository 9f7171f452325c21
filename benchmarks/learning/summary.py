"""Summary of the runs of a sweep: rows, curves and profiles as one JSON document.

Owns the grouping of runs. The statistics are in `curves`, the scale of scores in `profiles`.
"""

import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from benchmarks.learning.curves import (
    common_steps,
    first_reaching,
    held_over_time,
    iqm,
    stratified_interval,
)
from benchmarks.learning.profiles import group_name, make_profiles
from benchmarks.learning.sweep import Run, share_suffix
from lm_envs.tasks.splits import SplitSpec

ALL_TASKS = "all tasks"

ByName = Mapping[str, Sequence[Run]]
"""Runs of each configuration by its name, one run for each seed."""


def summarize(
    runs: Sequence[Run], threshold: float | None, labels: Mapping[str, str] = MappingProxyType({})
) -> dict[str, Any]:
    """Rows and curves of each configuration, and a row for each algorithm over several tasks.

    Keys of a row: `reward` is the IQM over seeds of the last held-out reward, `interval` its 95 %
    interval, `random` the mean over seeds of the random policy's held-out reward, `examples` the
    number of training examples, or None for runs of versions that did not store it.
    `steps_to_threshold`, `seconds_to_threshold` and `seconds` (training and evaluations) are
    medians over seeds.

    Keys of the document: `curves` are over steps, `wall_clock` over seconds (`held_over_time`),
    `data_efficiency` over the share of the training examples, for configurations that ran with
    several shares. For `profiles` see `make_profiles`.

    Args:
        runs: Finished runs.
        threshold: Held-out reward whose first reaching is timed, or None.
        labels: Label by name of the configuration, see `run_labels`.
    """
    by_name: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        by_name[run.config.name].append(run)
    rows = [_row(name, seeds, threshold) for name, seeds in by_name.items()]
    finals = {name: _final(seeds) for name, seeds in by_name.items()}
    return {
        "subject": "learning",
        "threshold": threshold,
        "rows": rows + _rows_of_all_tasks(by_name, labels),
        "curves": {name: _curve(seeds) for name, seeds in by_name.items()},
        "wall_clock": {name: _wall_clock(seeds) for name, seeds in by_name.items()},
        "data_efficiency": _data_efficiency(by_name),
        "profiles": make_profiles(finals, by_name, labels),
        "configs": {name: seeds[0].config.model_dump() for name, seeds in by_name.items()},
        "baselines": {name: seeds[0].result["baselines"] for name, seeds in by_name.items()},
    }


def _row(name: str, seeds: Sequence[Run], threshold: float | None) -> dict[str, Any]:
    row = {
        "what": name,
        "task": seeds[0].config.env.id,
        "algorithm": seeds[0].config.algorithm.name,
        "examples": seeds[0].result.get("examples"),
        **_reward([_final(seeds)]),
        "random": statistics.fmean(run.result["baselines"]["random"] for run in seeds),
        "seconds": statistics.median(run.log[-1]["seconds"] for run in seeds),
    }
    return row if threshold is None else row | _reached(seeds, threshold)


def _reached(seeds: Sequence[Run], threshold: float) -> dict[str, Any]:
    """Median steps and seconds until a threshold, and the number of seeds that reached it."""
    logs = [(_logged(run, "step"), _logged(run, "seconds"), _rewards(run)) for run in seeds]
    steps = [first_reaching(step, rewards, threshold) for step, _, rewards in logs]
    seconds = [first_reaching(second, rewards, threshold) for _, second, rewards in logs]
    median_steps = _median(steps)
    return {
        "steps_to_threshold": None if median_steps is None else int(median_steps),
        "seconds_to_threshold": _median(seconds),
        "reached": f"{sum(step is not None for step in steps)} of {len(steps)}",
    }


def _median(values: Sequence[float | None]) -> float | None:
    """Median where None is infinite; None if the median is infinite."""
    median = statistics.median(np.inf if value is None else value for value in values)
    return None if np.isinf(median) else median


def _rows_of_all_tasks(by_name: ByName, labels: Mapping[str, str]) -> list[dict[str, Any]]:
    """A row over all tasks for each group of runs in more than one environment."""
    groups: dict[str, list[Sequence[Run]]] = defaultdict(list)
    for seeds in by_name.values():
        groups[group_name(seeds[0].config, labels)].append(seeds)
    return [
        {"what": ALL_TASKS, "algorithm": group, **_reward([_final(seeds) for seeds in tasks])}
        for group, tasks in groups.items()
        if len({seeds[0].config.env.id for seeds in tasks}) > 1
    ]


def _reward(strata: Sequence[np.ndarray]) -> dict[str, Any]:
    values = np.concatenate(strata)
    low, high = stratified_interval(strata)
    return {
        "seeds": len(values),
        "reward": float(iqm(values)),
        "interval": [float(low), float(high)],
    }


def _curve(seeds: Sequence[Run]) -> dict[str, Any]:
    steps, rewards = common_steps([_by_step(run) for run in seeds])
    return {"steps": steps.tolist(), **_over_seeds(rewards)}


def _wall_clock(seeds: Sequence[Run]) -> dict[str, Any]:
    timed = [(_logged(run, "seconds"), _rewards(run)) for run in seeds]
    seconds, rewards = held_over_time(timed)
    return {"seconds": seconds.tolist(), **_over_seeds(rewards)}


def _data_efficiency(by_name: ByName) -> dict[str, Any]:
    """Curves over the share of the training examples, of configurations with several shares."""
    families: dict[str, list[Sequence[Run]]] = defaultdict(list)
    for name, seeds in by_name.items():
        families[name.removesuffix(share_suffix(seeds[0].config))].append(seeds)
    return {name: _over_shares(parts) for name, parts in families.items() if len(parts) > 1}


def _over_shares(parts: Sequence[Sequence[Run]]) -> dict[str, Any]:
    parts = sorted(parts, key=_share)
    first = parts[0][0]
    strata = [
        _over_seeds(_final(seeds)[:, None]) for seeds in parts
    ]  # parts may differ in their number of seeds
    return {
        "algorithm": first.config.algorithm.name,
        "shares": [_share(seeds) for seeds in parts],
        "examples": [seeds[0].result.get("examples") for seeds in parts],
        **{name: [part[name][0] for part in strata] for name in ("reward", "low", "high")},
        "seeds": [_final(seeds).tolist() for seeds in parts],
        "baselines": first.result["baselines"],
    }


def _share(seeds: Sequence[Run]) -> float:
    return SplitSpec.parse(seeds[0].config.env.split).percent / 100.0


def _over_seeds(rewards: np.ndarray) -> dict[str, Any]:
    """IQM (E,) of rewards (S, E), its interval, and the rewards, as lists."""
    low, high = stratified_interval([rewards])
    named = {"reward": iqm(rewards), "low": low, "high": high, "seeds": rewards}
    return {name: values.tolist() for name, values in named.items()}


def _final(seeds: Sequence[Run]) -> np.ndarray:
    """Last held-out reward (S,) of each seed."""
    return np.array([_rewards(run)[-1] for run in seeds])


def _by_step(run: Run) -> dict[int, float]:
    return {row["step"]: row["held_out"]["reward"] for row in run.log}


def _logged(run: Run, name: str) -> np.ndarray:
    return np.array([row[name] for row in run.log])


def _rewards(run: Run) -> np.ndarray:
    return np.array([row["held_out"]["reward"] for row in run.log])
