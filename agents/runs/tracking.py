"""Trackers of experiments: the rows of metrics.jsonl for Weights & Biases, MLflow or Trackio.

Owns the calls of these packages, which are optional and imported when a run names one, and the keys
of what they get. Everything stays on this machine unless the package's own environment variable
names a server. Knows nothing of agents.
"""

import importlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, Protocol

from agents.runs.files import append_jsonl
from agents.runs.logs import METRICS
from lm_envs.validation import check_choice

PROJECT = "lm_envs"
FOLDER = "tracking"
"""Folder of the trackers' files, beside the run folders.

Not inside one: wandb makes links there, and a run folder with links is refused.
"""


class Tracker(Protocol):
    """Where the rows of a run's metrics go, besides metrics.jsonl."""

    def log(self, row: Mapping[str, Any]) -> None:
        """Logs a row of metrics.jsonl."""
        ...

    def close(self) -> None:
        """Ends the run; called after an error too."""
        ...


class TensorBoard:
    """The default: Stable-Baselines3's logger writes the events of every run already."""

    def log(self, row: Mapping[str, Any]) -> None:
        """Does nothing."""

    def close(self) -> None:
        """Does nothing."""


class Wandb:
    """Weights & Biases, with WANDB_MODE=offline unless that is set.

    Source: https://docs.wandb.ai/ref/python/.
    """

    def __init__(self, package: Any, folder: Path, config: Mapping[str, Any]) -> None:  # noqa: ANN401
        self._run = package.init(
            project=PROJECT,
            name=folder.name,
            config=dict(config),
            dir=str(folder.parent / FOLDER),
            mode=os.environ.get("WANDB_MODE", "offline"),
        )

    def log(self, row: Mapping[str, Any]) -> None:
        """Logs the numbers of a row under its step."""
        self._run.log(numbers(row), step=row["step"])

    def close(self) -> None:
        """Ends the run."""
        self._run.finish()


class MLflow:
    """MLflow, in an SQLite file unless MLFLOW_TRACKING_URI is set.

    Source: https://mlflow.org/docs/latest/ml/tracking/tracking-api.
    """

    def __init__(self, package: Any, folder: Path, config: Mapping[str, Any]) -> None:  # noqa: ANN401
        self._mlflow = package
        if "MLFLOW_TRACKING_URI" not in os.environ:
            path = (folder.parent / FOLDER / "mlflow.sqlite").resolve()
            package.set_tracking_uri(f"sqlite:///{path}")
        package.set_experiment(PROJECT)
        package.start_run(run_name=folder.name)
        package.log_params(dict(_leaves(config)))

    def log(self, row: Mapping[str, Any]) -> None:
        """Logs the numbers of a row under its step."""
        self._mlflow.log_metrics(numbers(row), step=row["step"])

    def close(self) -> None:
        """Ends the run."""
        self._mlflow.end_run()


class Trackio:
    """Trackio, in its own folder (TRACKIO_DIR) unless TRACKIO_SPACE_ID is set.

    Source: https://huggingface.co/docs/trackio/api.
    """

    def __init__(self, package: Any, folder: Path, config: Mapping[str, Any]) -> None:  # noqa: ANN401
        self._trackio = package
        with redirect_stdout(sys.stderr):  # it prints, and with --json stdout is one document
            package.init(project=PROJECT, name=folder.name, config=dict(config))

    def log(self, row: Mapping[str, Any]) -> None:
        """Logs the numbers of a row under its step."""
        self._trackio.log(numbers(row), step=row["step"])

    def close(self) -> None:
        """Ends the run."""
        with redirect_stdout(sys.stderr):
            self._trackio.finish()


_EXTERNAL: dict[str, Callable[[Any, Path, Mapping[str, Any]], Tracker]] = {
    "wandb": Wandb,
    "mlflow": MLflow,
    "trackio": Trackio,
}
TRACKERS = ("tensorboard", *_EXTERNAL)
TRACK_HELP = f"also log metrics to one of {', '.join(_EXTERNAL)}, off line by default"


def check_tracker(name: str) -> None:
    """Checks that there is such a tracker and that its package can be imported.

    Raises:
        ValueError: If there is none.
        ModuleNotFoundError: If its package is missing; the message has the line that installs it.
    """
    check_choice("track", name, TRACKERS)
    if name in _EXTERNAL:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                f"Got --track {name}, but no package {error.name!r}; install it with "
                f"`pip install {name}`."
            ) from None


def start_tracker(name: str, folder: Path, config: Mapping[str, Any]) -> Tracker:
    """Begins a run of a tracker, under the name of the run folder.

    Args:
        name: One of `TRACKERS`, which `check_tracker` has accepted.
        folder: Of the run.
        config: Plain values of the run's configuration.
    """
    if name not in _EXTERNAL:
        return TensorBoard()
    (folder.parent / FOLDER).mkdir(parents=True, exist_ok=True)
    return _EXTERNAL[name](importlib.import_module(name), folder, config)


def log_metrics(folder: Path, row: Mapping[str, Any], tracker: Tracker) -> None:
    """Appends a row to metrics.jsonl, and logs it to the tracker."""
    append_jsonl(folder / METRICS, row)
    tracker.log(row)


def numbers(row: Mapping[str, Any]) -> dict[str, float]:
    """Returns the numbers of a row by its keys; nested keys are joined by a slash."""
    return {
        key: value
        for key, value in _leaves(row)
        if key != "step" and isinstance(value, (int, float)) and not isinstance(value, bool)
    }


def _leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}/")
        else:
            yield f"{prefix}{key}", value
