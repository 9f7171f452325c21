"""Pictures of runs: PNG files from logged numbers. Computes nothing that is not drawn."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

from matplotlib.figure import Figure  # noqa: E402 - after the backend is chosen

from agents.files import write_atomically  # noqa: E402


def loss_curve(log: Sequence[dict[str, Any]], path: Path) -> None:
    """Training loss, and held-out loss of each part, over steps."""
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.plot([row["step"] for row in log], [row["loss"] for row in log], lw=0.8, label="training")
    held_out = [row for row in log if "held_out" in row]
    for part in held_out[-1]["held_out"] if held_out else ():
        steps = [row["step"] for row in held_out]
        axes.plot(steps, [row["held_out"][part] for row in held_out], "o-", ms=3, label=part)
    axes.set(xlabel="optimiser steps", ylabel="loss, nats per token")
    axes.legend(title="held out, by part")
    axes.grid(alpha=0.3)
    save(figure, path)


def save(figure: Figure, path: Path) -> None:
    """Writes a PNG, whole or not at all."""
    write_atomically(path, lambda temporary: figure.savefig(temporary, dpi=120, format="png"))
