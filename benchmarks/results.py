"""What a benchmark found: one validated JSON document per subject and model.

Owns the file format and where files go. Knows nothing of how anything was timed.
"""

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pydantic

from agents.config import Config, UserError
from agents.files import write_json
from benchmarks.machine import Machine
from benchmarks.timing import Spread

RESULTS = Path(__file__).parent / "results"
MAX_BYTES = 2**24
RECORDED_VARIABLES = ("OMP_", "MKL_", "KMP_", "GOMP_", "MALLOC_", "CUDA_VISIBLE_DEVICES")

Labels = dict[str, str | int]
"""What tells rows of one section apart: model, dtype, rows, context …"""


class Row(Config):
    """One measurement, or why there is none.

    Attributes:
        section: Group of like rows, such as "decoding".
        name: What was measured.
        labels: Under which conditions.
        unit: Unit of the figures, such as "tokens/s".
        is_higher_better: Direction of progress.
        median: Middle of the repeats; None where the row was not measured.
        low: First quartile.
        high: Third quartile.
        is_noisy: The quartiles are too far apart for a comparison.
        details: Further figures by name with unit, such as "step ms".
        note: Why it was not measured, or what to know.
    """

    section: str
    name: str
    labels: Labels
    unit: str
    is_higher_better: bool = True
    median: float | None = None
    low: float | None = None
    high: float | None = None
    is_noisy: bool = False
    details: dict[str, float | str] = {}
    note: str = ""

    @property
    def key(self) -> tuple[str, str, str, str]:
        """Identity of a measurement across runs."""
        labels = ", ".join(f"{name}={value}" for name, value in sorted(self.labels.items()))
        return self.section, self.name, labels, self.unit


class Comparison(Config):
    """How many times as fast `ours` is as `rival`, paired lap by lap.

    Attributes:
        ratio: Median of the paired ratios; above 1 is in our favour.
        low: First quartile.
        high: Third quartile.
        is_noisy: The quartiles are too far apart: no verdict.
    """

    section: str
    ours: str
    rival: str
    labels: Labels
    ratio: float
    low: float
    high: float
    is_noisy: bool


class Document(Config):
    """All that one run found, with what it depends on."""

    subject: str
    date: str
    machine: Machine
    settings: dict[str, Any]
    rows: list[Row]
    comparisons: list[Comparison] = []


def measured(section: str, name: str, labels: Labels, unit: str, found: Spread, **more: Any) -> Row:  # noqa: ANN401 - fields of Row
    """A row from repeated measurements."""
    figures = {"median": found.median, "low": found.low, "high": found.high}
    return Row(
        section=section,
        name=name,
        labels=labels,
        unit=unit,
        is_noisy=found.is_noisy,
        **figures,
        **more,
    )


def compared(section: str, ours: str, rival: str, labels: Labels, ratio: Spread) -> Comparison:
    """A comparison from paired ratios."""
    return Comparison(
        section=section,
        ours=ours,
        rival=rival,
        labels=labels,
        ratio=ratio.median,
        low=ratio.low,
        high=ratio.high,
        is_noisy=ratio.is_noisy,
    )


def document(
    subject: str,
    machine: Machine,
    settings: Mapping[str, Any],
    rows: list[Row],
    comparisons: list[Comparison],
) -> Document:
    """A document dated now, with the environment variables that steer threads and memory."""
    variables = {
        name: value for name, value in os.environ.items() if name.startswith(RECORDED_VARIABLES)
    }
    return Document(
        subject=subject,
        date=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        machine=machine,
        settings={**settings, "variables": variables},
        rows=rows,
        comparisons=comparisons,
    )


def save(result: Document, name: str, folder: Path | None = None) -> Path:
    """Writes `name`.json, whole or not at all, by default to results/<date>-<machine>/."""
    folder = folder or RESULTS / f"{result.date[:10]}-{result.machine.slug}"
    path = folder / f"{name}.json"
    write_json(path, result.model_dump())
    return path


def load(path: Path) -> Document:
    """Reads a document that `save` wrote.

    Raises:
        UserError: If the file is missing, too large, or no such document.
    """
    if not path.is_file():
        raise UserError(f"Got no file {path}; allowed: a JSON result of `python -m benchmarks`.")
    if path.stat().st_size > MAX_BYTES:
        raise UserError(f"Got {path} of {path.stat().st_size} bytes; allowed: {MAX_BYTES}.")
    try:
        return Document.model_validate_json(path.read_bytes())
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UserError(
            f"Got {path}, which is no benchmark result ({where}: {first['msg']}); allowed: a JSON "
            "result of `python -m benchmarks`."
        ) from None
