"""Performance profiles of a sweep: how many of an algorithm's runs are better than any score.

Owns how rewards of different environments become scores of one scale. The statistics are
`curves`'.
"""

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from agents.config.train import TrainConfig
from benchmarks.learning.curves import profile, profile_interval
from benchmarks.learning.sweep import Run, suffix

RANDOM = "random"
NUM_TAUS = 101


@dataclass(frozen=True, slots=True)
class Ruler:
    """Rewards of an environment as scores: 0 is what the random policy earns, 1 the best baseline.

    Attributes:
        random: Held-out reward of the random policy, which chooses among the same candidate_logprobs.
        best: Held-out reward of the best other baseline, above `random`.
        policy: Which that is.
    """

    random: float
    best: float
    policy: str

    def measure(self, rewards: np.ndarray) -> np.ndarray:
        """Scores of rewards, of the same shape."""
        return (rewards - self.random) / (self.best - self.random)


def ruler(baselines: Iterable[Mapping[str, float]]) -> Ruler | None:
    """What the mean rewards of the baselines give; None where the best is not above random.

    Args:
        baselines: Reward by policy, of each run in one environment. Those that all have count: runs
            may be kept from before there was another.
    """
    several = list(baselines)
    common = set.intersection(*map(set, several))
    means = {name: statistics.fmean(each[name] for each in several) for name in sorted(common)}
    random = means.pop(RANDOM)
    policy = max(means, key=means.__getitem__, default=RANDOM)
    best = means.get(policy, random)
    return Ruler(random, best, policy) if best > random else None


def group_of(config: TrainConfig, labels: Mapping[str, str]) -> str:
    """Runs told of together over all tasks: algorithm, label, and how much they learn from."""
    label = labels.get(config.name)
    return config.algorithm.name + (f", {label}" if label else "") + suffix(config)


def profiles(
    finals: Mapping[str, np.ndarray],
    by_name: Mapping[str, Sequence[Run]],
    labels: Mapping[str, str],
) -> dict[str, Any]:
    """Of each algorithm the share of runs above each score, with pointwise 95 % intervals.

    Runs of one environment, which is an id with its arguments, judged on the same examples, are
    measured by one `Ruler`. Configurations whose baselines are no better than random have no scale:
    they are left out, and named.

    Args:
        finals: Last held-out rewards (S,) of each configuration.
        by_name: The runs of each configuration.
        labels: Of configurations that have one.
    """
    by_environment: dict[str, list[Run]] = {}
    for seeds in by_name.values():
        by_environment.setdefault(_environment(seeds[0].config), []).extend(seeds)
    rulers = {
        environment: ruler(run.result["baselines"] for run in runs)
        for environment, runs in by_environment.items()
    }
    found = {name: rulers[_environment(seeds[0].config)] for name, seeds in by_name.items()}
    scores = {name: one.measure(finals[name]) for name, one in found.items() if one}
    taus = _taus(scores.values())
    groups: dict[str, list[np.ndarray]] = {}
    for name, values in scores.items():
        groups.setdefault(group_of(by_name[name][0].config, labels), []).append(values)
    return {
        "taus": taus.tolist(),
        "algorithms": {name: _profile(strata, taus) for name, strata in groups.items()},
        "scores": {name: values.tolist() for name, values in scores.items()},
        "rulers": {name: asdict(one) for name, one in found.items() if one},
        "left_out": [name for name, one in found.items() if one is None],
    }


def _environment(config: TrainConfig) -> str:
    judged = [config.evaluation.split, config.evaluation.episodes]
    return json.dumps([config.env.id, config.env.kwargs, judged], sort_keys=True)


def _taus(scores: Iterable[np.ndarray]) -> np.ndarray:
    """From the lowest score or 0 to the highest or 1."""
    values = np.concatenate([np.array([0.0, 1.0]), *scores])
    return np.linspace(values.min(), values.max(), NUM_TAUS)


def _profile(strata: Sequence[np.ndarray], taus: np.ndarray) -> dict[str, Any]:
    low, high = profile_interval(strata, taus)
    named = {"share": profile(strata, taus), "low": low, "high": high}
    runs = sum(len(scores) for scores in strata)
    counts = {"tasks": len(strata), "runs": runs}
    return counts | {name: values.tolist() for name, values in named.items()}
