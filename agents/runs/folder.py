"""The folder of a run: its stored configuration, and the conditions of starting and resuming.

Owns config.yaml and versions.json.
"""

import json
import platform
import re
import tomllib
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

import lm_envs
from agents.config.finetune import load_run_config
from agents.config.loading import UserError, flattened, load_config
from agents.config.train import TrainConfig
from agents.runs import checkpoints, logs
from agents.runs.checkpoints import CHECKPOINT
from agents.runs.files import write_json, write_yaml
from agents.runs.fingerprints import check_unchanged, fingerprints
from agents.runs.manifest import CHECKPOINTS, remedy
from agents.runs.session import LOCK, RunSession
from agents.runs.tracking import Tracker, start_tracker
from lm_envs.model.kernels import build
from lm_envs.validation import check_choice

CONFIG = "config.yaml"
VERSIONS = "versions.json"
RESULT = "result.json"
"""The result of a finished run, which its command prints with `--json`."""

PACKAGES = ("gymnasium", "stable-baselines3", "torch", "numpy")
_MISSING = object()


@dataclass(frozen=True, slots=True)
class OpenedRun:
    """A run folder while this process writes it.

    Attributes:
        folder: Of the run, `<name>-s<seed>`.
        session: Holds the lock of the folder, and the requests to stop.
        tracker: Gets each row of metrics.jsonl too.
        is_continued: Whether the folder holds a checkpoint to resume from.
    """

    folder: Path
    session: RunSession
    tracker: Tracker
    is_continued: bool


@contextmanager
def opened_run(
    config: TrainConfig, runs: Path, *, resume: bool, checkpoint: str, track: str
) -> Iterator[OpenedRun]:
    """Locks, makes or checks a run folder, and starts its tracker; closes both at the end.

    Args:
        config: Of the run.
        runs: Parent of the run folder.
        resume: Whether the run continues.
        checkpoint: One of `CHECKPOINTS`; anything but "last" needs `resume`.
        track: One of `TRACKERS`, which `check_tracker` has accepted.

    Raises:
        UserError: As `open_run` and `RunSession`.
    """
    folder = runs / config.folder_name
    if resume:
        check_exists(folder)  # before the lock makes the folder
    with RunSession(folder) as session:
        is_continued = open_run(config, folder, resume=resume, checkpoint=checkpoint)
        with closing(start_tracker(track, folder, config.model_dump())) as tracker:
            yield OpenedRun(folder, session, tracker, is_continued)


def open_run(config: TrainConfig, folder: Path, *, resume: bool, checkpoint: str = "last") -> bool:
    """Makes or checks a run folder; returns whether it holds a checkpoint to resume from.

    A run that was killed before its first checkpoint is restarted. A folder without logs counts
    as unused, so that a run refused at its start does not block its name. With "best" the best
    checkpoint replaces the last one.

    Args:
        config: Of the run.
        folder: Of the run.
        resume: Whether the run continues.
        checkpoint: One of `CHECKPOINTS`; anything but "last" needs `resume`.

    Raises:
        UserError: If the run exists already, or cannot be resumed because there is none or it has
            another configuration.
    """
    check_choice("checkpoint", checkpoint, CHECKPOINTS if resume else ["last"])
    is_best = checkpoint == "best"
    if resume:
        check_exists(folder)
    if not resume and _is_used(folder):
        raise UserError(
            f"Got a run at {folder} already; use --seed or --set name=… for another one, or "
            "--resume to go on with it."
        )
    is_stored = (folder / CONFIG).is_file()
    if resume:
        _check_whole(config, folder, is_best=is_best)
    if is_stored and resume:
        _check_same(config, load_config(type(config), folder / CONFIG), folder)
    document = _versions_document(config, folder, resume=resume)
    if is_best:
        checkpoints.promote_best(folder)
    write_yaml(folder / CONFIG, config.model_dump())
    write_json(folder / VERSIONS, document)
    return resume and is_stored and (folder / CHECKPOINT).is_file()


def check_exists(folder: Path) -> None:
    """Checks that there is a folder to resume from.

    Raises:
        UserError: If there is none.
    """
    if not folder.is_dir():
        raise UserError(f"Got --resume, but there is no run at {folder}; drop it.")


def read_config(folder: Path) -> TrainConfig:
    """Reads the resolved configuration of a run, of `agents.finetune` if it has its keys."""
    return load_run_config(folder / CONFIG)


def read_versions(folder: Path) -> dict[str, str]:
    """Returns the versions that a run was written with; empty where its file cannot be read."""
    try:
        found = json.loads((folder / VERSIONS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def versions() -> dict[str, str]:
    """Returns what results depend on: versions, the device, the CPU's kernels and threads.

    With CUDA also the name of the current GPU, and the versions of CUDA and of the driver.
    """
    found = {"lm_envs": _own_version()} | {package: version(package) for package in PACKAGES}
    found |= {"python": platform.python_version(), "device": "cpu", "kernels": build.status()}
    found["threads"] = str(torch.get_num_threads())
    if torch.cuda.is_available():
        gpu = {"gpu": torch.cuda.get_device_name(), "cuda": str(torch.version.cuda)}
        found |= {"device": "cuda", **gpu, "driver": _driver_version()}
    return found


def _versions_document(config: TrainConfig, folder: Path, *, resume: bool) -> dict[str, Any]:
    """Returns the content of versions.json: of the first start, with one entry for each resume.

    Raises:
        UserError: If a file changed since the first start, or versions.json is damaged.
    """
    now, files = versions(), fingerprints(config)
    if not (resume and (folder / VERSIONS).is_file()):
        return {**now, "files": files}
    try:
        first = json.loads((folder / VERSIONS).read_text(encoding="utf-8"))
        stored, resumes = first.get("files"), list(first.get("resumes", []))
        last = {**first, **(resumes[-1] if resumes else {})}
        if stored is not None:  # runs of version 0.1 have none
            check_unchanged(stored, files, folder)
    except (AttributeError, TypeError, RecursionError, json.JSONDecodeError):
        raise UserError(
            f"Got a damaged {folder / VERSIONS}; delete it: the run goes on, without a check of "
            "the files that it began with."
        ) from None
    changed = [
        f"{name} {last[name]} -> {now[name]}"
        for name in now
        if last.get(name, now[name]) != now[name]
    ]
    if changed:
        warnings.warn(
            f"{folder} goes on with {', '.join(changed)}: its numbers may differ from those of a "
            "run that was not interrupted.",
            stacklevel=3,
        )
    return {**first, "resumes": [*resumes, now]}


def _own_version() -> str:
    """Returns the version of lm_envs; "+checkout" marks a source tree that is not installed."""
    try:
        return version("lm_envs")
    except PackageNotFoundError:
        path = Path(lm_envs.__file__).parents[1] / "pyproject.toml"
        known = lm_envs.__version__
        if path.is_file():
            known = tomllib.loads(path.read_text(encoding="utf-8"))["project"]["version"]
        return f"{known}+checkout"


def _driver_version() -> str:
    """Returns the version of NVIDIA's driver on Linux, "unknown" elsewhere."""
    path = Path("/proc/driver/nvidia/version")
    found = re.search(r"\b\d+\.\d+(\.\d+)?\b", path.read_text()) if path.is_file() else None
    return found[0] if found else "unknown"


def _is_used(folder: Path) -> bool:
    """Returns whether a folder holds more than the files written before training starts."""
    unused = (CONFIG, VERSIONS, LOCK)
    return folder.exists() and any(path.name not in unused for path in folder.iterdir())


def _check_whole(config: TrainConfig, folder: Path, *, is_best: bool) -> None:
    """Checks that no file of a run is missing, before anything in its folder is changed.

    Raises:
        UserError: Naming the missing file.
    """
    missing = None
    if not (folder / CONFIG).is_file():
        missing = CONFIG if _is_used(folder) else None
    elif not is_best and not (folder / CHECKPOINT).is_file():
        # Without one a run that was killed early is restarted: its log ends before the first.
        first = load_config(type(config), folder / CONFIG).checkpoint_every
        steps = [row.get("step", 0) for row in logs.read_metrics(folder)]
        missing = CHECKPOINT if max(steps, default=0) >= first else None
    if missing:
        raise UserError(
            f"Got --resume, but {folder} has no {missing}, which its other files were written "
            f"with; {remedy(folder / missing)}."
        )


def differences(first: TrainConfig, second: TrainConfig) -> list[tuple[str, Any, Any]]:
    """Returns key, value and other value where two configurations differ; None where missing."""
    one, other = flattened(first.model_dump()), flattened(second.model_dump())
    return [
        (key, one.get(key), other.get(key))
        for key in sorted(one.keys() | other.keys())
        if one.get(key, _MISSING) != other.get(key, _MISSING)
    ]


def _check_same(config: TrainConfig, stored: TrainConfig, folder: Path) -> None:
    differing = [
        f"{key}={given!r} (stored: {saved!r})"
        for key, given, saved in differences(config, stored)
        if key.split(".")[0] not in config.may_change
    ]
    if differing:
        raise UserError(
            f"Got --resume with {', '.join(differing)} for {folder}; allowed to change: "
            f"{', '.join(config.may_change)}. Give the stored values, or begin another run with "
            "--set name=…."
        )
    if config.total_timesteps < stored.total_timesteps:
        raise UserError(
            f"Got --resume with total_timesteps={config.total_timesteps} for {folder}; allowed: "
            f"the stored {stored.total_timesteps} or more."
        )
