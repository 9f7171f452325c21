"""What a section of `python -m benchmarks gpu` is given: its sizes, its time, a way to report.

Owns the conversion of a row to JSON values and the release of memory between measurements. Knows
nothing of what is measured.
"""

import gc
import json
import math
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

Row = dict[str, Any]
TRACEBACK_LINES = 6


@dataclass(frozen=True, slots=True)
class Section:
    """One section while it runs.

    Attributes:
        device: "cuda" or "cpu".
        is_small: Whether this is a rehearsal with tiny sizes, whose figures mean nothing.
        deadline: Value of `time.monotonic()` at which the section has to end.
        send: Receives each row as JSON values.
    """

    device: str
    is_small: bool
    deadline: float
    send: Callable[[Row], None]

    @property
    def is_cuda(self) -> bool:
        """Whether a CUDA device is measured."""
        return self.device == "cuda"

    @property
    def left_s(self) -> float:
        """Seconds until the deadline."""
        return self.deadline - time.monotonic()

    def report(self, what: str, **values: object) -> None:
        """Sends a row: a label, and values that JSON can hold after `to_plain`."""
        self.send({"what": what, **{name: to_plain(value) for name, value in values.items()}})

    def attempt(self, what: str, seconds: float, measure: Callable[[], Row], **labels: Any) -> bool:  # noqa: ANN401
        """Reports the row of one measurement, or why there is none; returns whether there is one.

        Args:
            what: Label of the row.
            seconds: The measurement is left out if less time is left.
            measure: Returns the values of the row.
            labels: Further labels of the row.
        """
        if self.left_s < seconds and not self.is_small:
            self.report(what, **labels, note=f"left out: {self.left_s:.0f} s left")
            return False
        try:
            row = measure()
        except Exception as error:  # any: the other measurements of the section still count
            self.report(what, **labels, note=describe(error))
            return False
        finally:
            release_memory()
        self.report(what, **{**labels, **row})
        return True


def describe(error: BaseException) -> str:
    """Type and message of an error, and the last lines of its traceback; a line for a package."""
    if isinstance(error, ModuleNotFoundError):
        return f"needs the package {error.name}, which is not here; add it to the --wheels"
    lines = "".join(traceback.format_tb(error.__traceback__)).strip().splitlines()
    message = f"{type(error).__name__}: {str(error)[:400]}"
    return "\n".join([message, *lines[-TRACEBACK_LINES:]])


def release_memory() -> None:
    """Returns unused memory of the device, so that a measurement starts with all of it."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def to_plain(value: object) -> object:
    """A value of JSON: NumPy numbers become Python's, NaN and infinity None, others text."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {str(key): to_plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain(each) for each in value]
    if hasattr(value, "item"):
        return to_plain(value.item())  # type: ignore[attr-defined]  # NumPy's and torch's scalars
    return json.loads(json.dumps(value, default=str))
