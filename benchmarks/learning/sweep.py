"""The runs of a sweep: one process each, several at once, resumed if cut off, kept by their hash.

Owns what a sweep file says and where its runs are kept. Knows nothing of statistics.
"""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field

from agents.config.loading import Config, UserError, load_config
from agents.config.train import TrainConfig
from agents.runs.files import write_json, write_text
from agents.runs.logs import read_metrics
from lm_envs.model import loading
from lm_envs.tasks.splits import SplitSpec

RESULT = "result.json"


Share = Annotated[float, Field(gt=0.0, le=1.0)]


class RunsConfig(Config):
    """One configuration file, the seeds to run it with, and how much of its examples.

    Attributes:
        config: YAML file of `agents.train`.
        seeds: Of a run each.
        set: What differs from the file, as for `agents.train --set`.
        label: What tells them from other runs of the file, such as "no_pointer": their names end in
            it, and over all tasks they are told of apart.
        shares: Of the examples of `env.split`, each to learn from with every seed; a run's name
            tells its share (`suffix`), unless it is 1. Default: what the file says.
    """

    config: str
    seeds: list[int] = Field(min_length=1)
    set: list[str] = Field(default_factory=list)
    label: str | None = Field(default=None, min_length=1)
    shares: list[Share] | None = Field(default=None, min_length=1)


class SweepConfig(Config):
    """What to run, and the held-out reward whose first reaching is timed."""

    runs: list[RunsConfig] = Field(min_length=1)
    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run: its configuration, its evaluations and what training returned."""

    config: TrainConfig
    log: list[dict[str, Any]]
    result: dict[str, Any]


def read_configs(sweep: SweepConfig) -> list[TrainConfig]:
    """One configuration a run.

    Raises:
        UserError: If a file is refused, shares are asked for of a part of a split, or two runs
            would have the same name and seed.
    """
    configs = [config for runs in sweep.runs for config in _configs_of(runs)]
    names = [f"{config.name}-s{config.seed}" for config in configs]
    if twice := {name for name in names if names.count(name) > 1}:
        raise UserError(
            f"Got {min(twice)} twice in a sweep; give each file its own name, runs of one file a "
            "label, and each run its seed."
        )
    return configs


def labels_of(sweep: SweepConfig) -> dict[str, str]:
    """The label of each run's configuration, by its name, where there is one."""
    return {
        config.name: runs.label for runs in sweep.runs if runs.label for config in _configs_of(runs)
    }


def suffix(config: TrainConfig) -> str:
    """What a run's name ends in if it learns from a part of a split: "-5pct"; else nothing."""
    part = SplitSpec.parse(config.env.split)
    return "" if part.percent == 100.0 else f"-{part.digits}pct"


def run_all(configs: Sequence[TrainConfig], runs: Path, jobs: int) -> list[Run]:
    """Trains what is not yet there, `jobs` at a time; all runs in the order of `configs`.

    The jobs share the cores evenly, unless OMP_NUM_THREADS says what each takes.

    Raises:
        UserError: If a run failed; the others are finished first, and kept.
    """
    threads = max(1, (os.cpu_count() or 1) // jobs)
    with ThreadPoolExecutor(jobs) as pool:
        errors = pool.map(partial(_train, runs=runs, threads=threads), configs)
        failed = [error for error in errors if error]
    if failed:
        raise UserError("; ".join(failed))
    return [_finished(config, runs) for config in configs]


def folder_of(config: TrainConfig, runs: Path) -> Path:
    """Where a run is kept: by a hash of its configuration and of the language model's weights."""
    digest = hashlib.sha256(json.dumps(config.model_dump(), sort_keys=True).encode())
    model = loading.locate(config.env.kwargs.get("model", loading.EMBEDDED))
    for path in sorted(model.glob("*.safetensors")):
        digest.update(path.read_bytes())
    return runs / digest.hexdigest()[:16]


def _configs_of(runs: RunsConfig) -> list[TrainConfig]:
    path = Path(runs.config)
    if any(line.partition("=")[0] == "seed" for line in runs.set):
        raise UserError(f"Got a seed among set={runs.set}; allowed: in seeds, {runs.seeds}.")
    configs = [load_config(TrainConfig, path, [*runs.set, f"seed={seed}"]) for seed in runs.seeds]
    if runs.label:
        name = f"{configs[0].name}-{runs.label}"
        configs = [config.model_copy(update={"name": name}) for config in configs]
    if runs.shares is None:
        return configs
    split = configs[0].env.split
    if suffix(configs[0]):
        raise UserError(f"Got shares of env.split={split!r} in {path}; allowed: a whole split.")
    parts = [SplitSpec.from_share(split, share) for share in runs.shares]
    return [_learning_from(part, config) for part in parts for config in configs]


def _learning_from(part: SplitSpec, config: TrainConfig) -> TrainConfig:
    env = config.env.model_copy(update={"split": str(part)})
    partly = config.model_copy(update={"env": env})
    return partly.model_copy(update={"name": config.name + suffix(partly)})


def _train(config: TrainConfig, runs: Path, threads: int) -> str | None:
    """Runs one process unless its result is there; what went wrong, or None."""
    folder = folder_of(config, runs)
    if (folder / RESULT).is_file():
        return None
    name = f"{config.name}-s{config.seed}"
    write_text(folder / "config.yaml", yaml.safe_dump(config.model_dump(), sort_keys=False))
    command = [sys.executable, "-m", "agents.train", str(folder / "config.yaml")]
    command += ["--runs", str(folder), *(["--resume"] if (folder / name).is_dir() else [])]
    environment = {"OMP_NUM_THREADS": str(threads)} | os.environ  # a caller's wins
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    print(f"{name}: {'failed' if done.returncode else 'done'}", file=sys.stderr, flush=True)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return f"Got exit code {done.returncode} from {name} in {folder}: {reason}"
    write_json(folder / RESULT, json.loads(done.stdout.strip().splitlines()[-1]))
    return None


def _finished(config: TrainConfig, runs: Path) -> Run:
    folder = folder_of(config, runs)
    result = json.loads((folder / RESULT).read_text(encoding="utf-8"))
    return Run(config, read_metrics(folder / f"{config.name}-s{config.seed}"), result)
