"""Bars of one metric over the rows of a result, as PNG bytes. Computes nothing but places."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from matplotlib.figure import Figure

OURS = ("environment", "engine")
BAR_INCHES, GAP = 0.3, 0.6


@dataclass(frozen=True, slots=True)
class Bar:
    """One row: whose it is, what was set, its value and half its interquartile range."""

    what: str
    setting: str
    value: float
    error: float


def bars(rows: Sequence[Bar], label: str) -> bytes:
    """A PNG of horizontal bars, a gap where the setting changes; ours in color."""
    places = _places(rows)
    figure = Figure(figsize=(8, BAR_INCHES * places[-1] + 1.2), layout="constrained")
    axes = figure.subplots()
    colors = ["C0" if row.what.startswith(OURS) else "C7" for row in rows]
    errors = [row.error for row in rows]
    axes.barh(places, [row.value for row in rows], xerr=errors, color=colors, capsize=3)
    axes.set_yticks(places, [", ".join(filter(None, (row.what, row.setting))) for row in rows])
    axes.set(xlabel=label, xlim=(0, None))
    axes.locator_params(axis="x", nbins=6)
    axes.invert_yaxis()
    axes.grid(axis="x", alpha=0.3)
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=110, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _places(rows: Sequence[Bar]) -> list[float]:
    """Where each bar stands, from the top."""
    places = [0.0]
    for before, after in pairwise(rows):
        places.append(places[-1] + 1 + GAP * (before.setting != after.setting))
    return places
