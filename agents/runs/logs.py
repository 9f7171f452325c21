"""The logs of a run, metrics.jsonl and progress.csv, which a resumed run continues.

Owns their rows after an interruption. Knows nothing of agents.
"""

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.logger import CSVOutputFormat, Logger, TensorBoardOutputFormat
from torch.utils.tensorboard.writer import SummaryWriter

from agents.config.loading import UserError
from agents.runs.files import write_jsonl
from lm_envs.storage import write_atomically
from lm_envs.validation import first_line, is_whole

METRICS = "metrics.jsonl"
PROGRESS = "progress.csv"
STEP = "time/total_timesteps"
"""Column of progress.csv with the number of environment steps."""


class ContinuedCSV(CSVOutputFormat):
    """CSV output that appends and keeps the columns; Stable-Baselines3's own empties the file."""

    def __init__(self, path: Path) -> None:
        path.touch()
        self.file = path.open("r+", encoding="utf-8")
        self.keys = next(csv.reader(self.file), [])
        self.separator, self.quotechar = ",", '"'
        self.file.seek(0, 2)


class ContinuedTensorBoard(TensorBoardOutputFormat):
    """TensorBoard events; those of a former start after `step` are not shown twice.

    Args:
        folder: Of the event files.
        step: From which the run continues.
    """

    def __init__(self, folder: Path, step: int) -> None:
        self.writer = SummaryWriter(str(folder), purge_step=step + 1 if step else None)
        self._is_closed = False


def make_logger(
    folder: Path, recorded: Mapping[str, Any] | None = None, *, step: int = 0
) -> Logger:
    """Returns a logger that appends to progress.csv and writes TensorBoard events.

    Args:
        folder: Of the run.
        recorded: Result of `pending` at the checkpoint.
        step: Of the checkpoint; 0 in a new run.
    """
    outputs = [ContinuedCSV(folder / PROGRESS), ContinuedTensorBoard(folder, step)]
    logger = Logger(str(folder), outputs)
    if recorded is not None:
        narrow = set(recorded.get("float32", ()))  # which checkpoints of version 0.1 lack
        values = recorded["values"].items()
        restored = {name: np.float32(v) if name in narrow else v for name, v in values}
        logger.name_to_value.update(restored)
        logger.name_to_count.update(recorded["counts"])
        excluded = {name: tuple(formats) for name, formats in recorded["excluded"].items()}
        logger.name_to_excluded.update(excluded)
    return logger


def pending(logger: Logger) -> dict[str, Any]:
    """Returns values recorded since the last row of progress.csv, for `make_logger`."""
    values = dict(logger.name_to_value)
    return {
        "values": values,
        # A checkpoint holds plain numbers, of which a float32 would be written with more digits.
        "float32": [
            n for n, value in values.items() if getattr(value, "dtype", None) == np.float32
        ],
        "counts": dict(logger.name_to_count),
        "excluded": {name: list(formats) for name, formats in logger.name_to_excluded.items()},
    }


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """Reads the rows of metrics.jsonl, without a last line that is incomplete after a kill."""
    path = folder / METRICS
    # Not splitlines: texts may hold U+2028 or U+0085, which also end lines there.
    lines = path.read_text(encoding="utf-8").split("\n") if path.is_file() else [""]
    return [_parsed(line, f"{path} line {number}") for number, line in enumerate(lines[:-1], 1)]


def _parsed(line: str, location: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"Got a broken line at {location} ({first_line(error)}); remove it, or begin another "
            "run."
        ) from None
    if not (isinstance(row, dict) and is_whole(row.get("step"))):
        raise UserError(
            f"Got a line without a step at {location}; allowed: a JSON object with a whole number "
            "`step`. Remove it, or begin another run."
        )
    return row


def has_reached(folder: Path, target: float | None) -> bool:
    """Returns whether the last evaluation during training reached a target reward."""
    log = read_metrics(folder)
    # Rows with a stage hold intervals over prompts, not plain scores.
    scores = [row["held_out"] for row in log if "held_out" in row and "stage" not in row]
    return target is not None and bool(scores) and scores[-1]["reward"] >= target


def rewind(folder: Path, step: int) -> None:
    """Removes rows after `step`, the step of the checkpoint; the resumed run logs them again."""
    write_jsonl(folder / METRICS, [row for row in read_metrics(folder) if row["step"] <= step])
    path = folder / PROGRESS
    if path.is_file():
        (_, header), *rows = _progress_rows(path) or [(1, [])]
        kept = [
            row
            for line, row in rows
            if len(row) == len(header) and _step(f"{path} line {line}", header, row) <= step
        ]
        write_atomically(path, lambda temporary: _write_csv(temporary, [header, *kept]))


def delete_logs(folder: Path) -> None:
    """Deletes metrics.jsonl and progress.csv."""
    for name in (METRICS, PROGRESS):
        (folder / name).unlink(missing_ok=True)


def _progress_rows(path: Path) -> list[tuple[int, list[str]]]:
    """Returns the rows of progress.csv with their line numbers."""
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.reader(file)
        try:
            return [(reader.line_num, row) for row in reader]
        except (csv.Error, UnicodeDecodeError) as error:
            raise UserError(
                f"Got a broken row at {path} line {reader.line_num} ({first_line(error)}); remove "
                "the file, which only repeats the log."
            ) from None


def _step(location: str, header: list[str], row: list[str]) -> int:
    try:
        return int(row[header.index(STEP)])
    except ValueError:
        raise UserError(
            f"Got a row at {location} without a whole number in the column {STEP}; remove the row, "
            "or the file, which only repeats the log."
        ) from None


def _write_csv(path: Path, rows: list[list[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(row for row in rows if row)
