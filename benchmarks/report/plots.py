"""Bar charts of one metric over the rows of a result, as PNG bytes.

Owns the look and the position of the bars. Computes no statistics.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from matplotlib.figure import Figure

OURS = ("environment", "engine")
"""Prefixes of the rows that are drawn in color: the rows of this library."""

BAR_INCHES, GAP = 0.3, 0.6
"""Height of a bar, and gap between settings in bars."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One row of a result.

    Attributes:
        what: Name of the row.
        setting: Its settings, such as "n=8, float32".
        value: Value of the metric.
        error: Half the interquartile range, in the metric's unit.
    """

    what: str
    setting: str
    value: float
    error: float


def bars(rows: Sequence[Bar], label: str) -> bytes:
    """A PNG of horizontal bars with a gap where the setting changes; our rows are in color."""
    positions = _positions(rows)
    figure = Figure(figsize=(8, BAR_INCHES * positions[-1] + 1.2), layout="constrained")
    axes = figure.subplots()
    colors = ["C0" if row.what.startswith(OURS) else "C7" for row in rows]
    errors = [row.error for row in rows]
    axes.barh(positions, [row.value for row in rows], xerr=errors, color=colors, capsize=3)
    axes.set_yticks(positions, [", ".join(filter(None, (row.what, row.setting))) for row in rows])
    axes.set(xlabel=label, xlim=(0, None))
    axes.locator_params(axis="x", nbins=6)
    axes.invert_yaxis()
    axes.grid(axis="x", alpha=0.3)
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=110, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _positions(rows: Sequence[Bar]) -> list[float]:
    """Position of each bar from the top, in bars."""
    positions = [0.0]
    for before, after in pairwise(rows):
        positions.append(positions[-1] + 1 + GAP * (before.setting != after.setting))
    return positions
