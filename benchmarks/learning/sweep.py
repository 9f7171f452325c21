"""Runs of a sweep: one process each, several at the same time, resumed if they were interrupted.

Owns the format of a sweep file and the folders of finished runs, which are named by the hash of
their configuration. Knows nothing of statistics.
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

from agents.config.finetune import FinetuneConfig, load_run_config
from agents.config.loading import Config, UserError
from agents.config.train import TrainConfig
from agents.runs.files import write_json, write_text
from agents.runs.logs import read_metrics
from lm_envs.model import loading
from lm_envs.tasks.splits import SplitSpec

RESULT = "result.json"
"""File in a run's folder with what training returned; written last, it marks a finished run."""

Share = Annotated[float, Field(gt=0.0, le=1.0)]


class RunsConfig(Config):
    """Runs of one configuration file.

    Attributes:
        config: YAML file of `agents.train` or `agents.finetune`.
        seeds: One run for each seed.
        set: Assignments that override the file, as in `agents.train --set`.
        label: Name of this variant of the file, such as "no_pointer". The runs' names end in it,
            and rows over all tasks are separate for each label.
        shares: Shares in (0, 1] of the examples of `env.split` to train on; every seed runs with
            every share. The run's name ends in its share (`share_suffix`) unless that is 1.
            Default: `env.split` as it is in the file.
    """

    config: str
    seeds: list[int] = Field(min_length=1)
    set: list[str] = Field(default_factory=list)
    label: str | None = Field(default=None, min_length=1)
    shares: list[Share] | None = Field(default=None, min_length=1)


class SweepConfig(Config):
    """A sweep file.

    Attributes:
        runs: What to train.
        threshold: Held-out reward; the steps and seconds until it is first reached are reported.
    """

    runs: list[RunsConfig] = Field(min_length=1)
    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run.

    Attributes:
        config: Configuration of the run.
        log: Evaluations during training, in order of steps.
        result: JSON document that `agents.train` printed.
    """

    config: TrainConfig
    log: list[dict[str, Any]]
    result: dict[str, Any]


def make_configs(sweep: SweepConfig) -> list[TrainConfig]:
    """The configuration of each run.

    Raises:
        UserError: If a file is not valid, a run has `shares` of a split that is already a part, or
            two runs have the same name and seed.
    """
    configs = [config for runs in sweep.runs for config in _expand(runs)]
    names = [config.folder_name for config in configs]
    if repeated := {name for name in names if names.count(name) > 1}:
        raise UserError(
            f"Got {min(repeated)} twice in a sweep; give each file its own name, runs of one file "
            "a label, and each run its seed."
        )
    return configs


def run_labels(sweep: SweepConfig) -> dict[str, str]:
    """Labels by name of the configuration, of those that have one."""
    return {
        config.name: runs.label for runs in sweep.runs if runs.label for config in _expand(runs)
    }


def share_suffix(config: TrainConfig) -> str:
    """End of a run's name, such as "-5pct", if it trains on a part of a split; else empty."""
    part = SplitSpec.parse(config.env.split)
    return "" if part.percent == 100.0 else f"-{part.digits}pct"


def run_all(configs: Sequence[TrainConfig], runs: Path, jobs: int) -> list[Run]:
    """Trains the runs that have no result yet, each once; returns all in the order of `configs`.

    Args:
        configs: See `make_configs`.
        runs: Parent folder of the runs.
        jobs: Runs at the same time. They share the cores evenly, unless the environment variable
            OMP_NUM_THREADS is set.

    Raises:
        UserError: If a run failed. The other runs finish first, and their results stay.
    """
    threads = max(1, (os.cpu_count() or 1) // jobs)
    with ThreadPoolExecutor(jobs) as pool:
        distinct = {run_folder(config, runs): config for config in configs}.values()
        errors = pool.map(partial(_train, runs=runs, threads=threads), distinct)
        failed = [error for error in errors if error]
    if failed:
        raise UserError("; ".join(failed))
    return [_finished(config, runs) for config in configs]


def run_folder(config: TrainConfig, runs: Path) -> Path:
    """Folder of a run, named by a hash of its configuration and of the language model's weights."""
    digest = hashlib.sha256(json.dumps(config.model_dump(), sort_keys=True).encode())
    model = loading.locate(config.env.kwargs.get("model", loading.EMBEDDED))
    for path in sorted(model.glob("*.safetensors")):
        digest.update(path.read_bytes())
    return runs / digest.hexdigest()[:16]


def _expand(runs: RunsConfig) -> list[TrainConfig]:
    """The configuration of each share and seed."""
    path = Path(runs.config)
    if any(line.partition("=")[0] == "seed" for line in runs.set):
        raise UserError(f"Got a seed among set={runs.set}; allowed: in seeds, {runs.seeds}.")
    configs = [load_run_config(path, [*runs.set, f"seed={seed}"]) for seed in runs.seeds]
    if runs.label:
        name = f"{configs[0].name}-{runs.label}"
        configs = [config.model_copy(update={"name": name}) for config in configs]
    if runs.shares is None:
        return configs
    split = configs[0].env.split
    if share_suffix(configs[0]):
        raise UserError(f"Got shares of env.split={split!r} in {path}; allowed: a whole split.")
    parts = [SplitSpec.from_share(split, share) for share in runs.shares]
    return [_with_part(config, part) for part in parts for config in configs]


def _with_part(config: TrainConfig, part: SplitSpec) -> TrainConfig:
    env = config.env.model_copy(update={"split": str(part)})
    partly = config.model_copy(update={"env": env})
    return partly.model_copy(update={"name": config.name + share_suffix(partly)})


def _train(config: TrainConfig, runs: Path, threads: int) -> str | None:
    """Trains one run in a process unless it has a result; returns an error message, or None."""
    folder = run_folder(config, runs)
    if (folder / RESULT).is_file():
        return None
    name = config.folder_name
    write_text(folder / "config.yaml", yaml.safe_dump(config.model_dump(), sort_keys=False))
    program = "agents.finetune" if isinstance(config, FinetuneConfig) else "agents.train"
    command = [sys.executable, "-m", program, str(folder / "config.yaml"), "--json"]
    command += ["--runs", str(folder), *(["--resume"] if (folder / name).is_dir() else [])]
    environment = {
        "OMP_NUM_THREADS": str(threads)
    } | os.environ  # the caller's variables take precedence
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    print(f"{name}: {'failed' if done.returncode else 'done'}", file=sys.stderr, flush=True)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return f"Got exit code {done.returncode} from {name} in {folder}: {reason}"
    write_json(folder / RESULT, json.loads(done.stdout.strip().splitlines()[-1]))
    return None


def _finished(config: TrainConfig, runs: Path) -> Run:
    folder = run_folder(config, runs)
    result = json.loads((folder / RESULT).read_text(encoding="utf-8"))
    return Run(config, read_metrics(folder / config.folder_name), result)
