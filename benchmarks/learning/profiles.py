"""Performance profiles of a sweep: the share of an algorithm's runs above each score.

Owns the scale on which rewards of different environments become comparable scores. The statistics
are in `curves`.
"""

import json
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from agents.config.train import TrainConfig
from benchmarks.learning.curves import profile, profile_interval
from benchmarks.learning.sweep import Run, share_suffix

RANDOM = "random"
NUM_TAUS = 101
"""Thresholds of a profile, the ends included."""


@dataclass(frozen=True, slots=True)
class ScoreScale:
    """Maps rewards of an environment to scores: 0 is the random policy, 1 the best baseline.

    Attributes:
        random: Held-out reward of the random policy, which chooses among the same candidates.
        best: Held-out reward of the best other baseline, above `random`.
        policy: Name of that baseline.
    """

    random: float
    best: float
    policy: str

    def to_scores(self, rewards: np.ndarray) -> np.ndarray:
        """Scores of rewards, in the same shape."""
        return (rewards - self.random) / (self.best - self.random)


def fit_scale(baselines: Iterable[Mapping[str, float]]) -> ScoreScale | None:
    """The scale of an environment; None if no baseline is better than random.

    Args:
        baselines: Reward by policy, for each run in the environment. Rewards are averaged over the
            runs. Policies that are missing in some run do not count: older runs have fewer.
    """
    runs = list(baselines)
    common = set.intersection(*map(set, runs))
    means = {name: statistics.fmean(run[name] for run in runs) for name in sorted(common)}
    random = means.pop(RANDOM)
    policy = max(means, key=means.__getitem__, default=RANDOM)
    best = means.get(policy, random)
    return ScoreScale(random, best, policy) if best > random else None


def group_name(config: TrainConfig, labels: Mapping[str, str]) -> str:
    """Group of a run over all tasks: algorithm, label, and the share of the training examples."""
    label = labels.get(config.name)
    return config.algorithm.name + (f", {label}" if label else "") + share_suffix(config)


def make_profiles(
    finals: Mapping[str, np.ndarray],
    by_name: Mapping[str, Sequence[Run]],
    labels: Mapping[str, str],
) -> dict[str, Any]:
    """Share of each algorithm's runs above each score, with pointwise 95 % intervals.

    Configurations with the same environment id, arguments and evaluation share one scale.
    Configurations in an environment where no baseline is better than random have no scale: they are
    left out, and `left_out` has their names.

    Args:
        finals: Last held-out rewards (S,) of each configuration.
        by_name: Runs of each configuration.
        labels: Labels of the configurations that have one.
    """
    scales = _scales(by_name)
    scores = {name: each.to_scores(finals[name]) for name, each in scales.items() if each}
    taus = _taus(scores.values())
    groups: dict[str, list[np.ndarray]] = defaultdict(list)
    for name, values in scores.items():
        groups[group_name(by_name[name][0].config, labels)].append(values)
    return {
        "taus": taus.tolist(),
        "algorithms": {name: _profile(strata, taus) for name, strata in groups.items()},
        "scores": {name: values.tolist() for name, values in scores.items()},
        "rulers": {name: asdict(each) for name, each in scales.items() if each},
        "left_out": [name for name, each in scales.items() if each is None],
    }


def _scales(by_name: Mapping[str, Sequence[Run]]) -> dict[str, ScoreScale | None]:
    """The scale of each configuration, fitted to all runs in its environment."""
    environments = {name: _environment_key(seeds[0].config) for name, seeds in by_name.items()}
    runs: dict[str, list[Run]] = defaultdict(list)
    for name, seeds in by_name.items():
        runs[environments[name]].extend(seeds)
    scales = {key: fit_scale(run.result["baselines"] for run in some) for key, some in runs.items()}
    return {name: scales[key] for name, key in environments.items()}


def _environment_key(config: TrainConfig) -> str:
    """Environment and evaluation of a run; baselines of runs with the same key are comparable."""
    evaluation = [config.evaluation.split, config.evaluation.episodes]
    return json.dumps([config.env.id, config.env.kwargs, evaluation], sort_keys=True)


def _taus(scores: Iterable[np.ndarray]) -> np.ndarray:
    """Thresholds from the lowest to the highest score; the range contains [0, 1]."""
    values = np.concatenate([np.array([0.0, 1.0]), *scores])
    return np.linspace(values.min(), values.max(), NUM_TAUS)


def _profile(strata: Sequence[np.ndarray], taus: np.ndarray) -> dict[str, Any]:
    low, high = profile_interval(strata, taus)
    values = {"share": profile(strata, taus), "low": low, "high": high}
    counts = {"tasks": len(strata), "runs": sum(len(scores) for scores in strata)}
    return counts | {name: array.tolist() for name, array in values.items()}
