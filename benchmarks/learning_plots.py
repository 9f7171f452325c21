"""Pictures of a learning benchmark: PNG files from its document. Computes nothing not drawn."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from agents.plots import save

LINES = ("-", "--", ":")


def reward_curves(document: Mapping[str, Any], path: Path) -> None:
    """Held-out reward over environment steps: IQM over seeds, its interval, and each seed."""
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    for number, (name, curve) in enumerate(document["curves"].items()):
        colour = f"C{number}"
        style = LINES[number // 10 % len(LINES)]  # there are ten colours
        axes.plot(
            curve["steps"], curve["reward"], f"o{style}", ms=3, lw=2, color=colour, label=name
        )
        axes.fill_between(curve["steps"], curve["low"], curve["high"], color=colour, alpha=0.2)
        for seed in curve["seeds"]:
            axes.plot(curve["steps"], seed, lw=0.6, color=colour, alpha=0.6)
    if document["threshold"] is not None:
        axes.axhline(document["threshold"], ls="--", lw=1, color="C7", label="threshold")
    axes.set(xlabel="environment steps", ylabel="held-out reward, IQM and 95 % interval")
    figure.legend(loc="outside right upper", fontsize="small")
    axes.grid(alpha=0.3)
    save(figure, path)


def interval_bars(document: Mapping[str, Any], path: Path) -> None:
    """Last held-out reward of each row: IQM as a line in a bar that spans its interval."""
    rows = document["rows"][::-1]
    figure = Figure(figsize=(7, 0.5 * len(rows) + 1.2), layout="constrained")
    axes = figure.subplots()
    axes.use_sticky_edges = False
    for place, row in enumerate(rows):
        low, high = row["interval"]
        axes.barh(place, high - low, left=low, height=0.6, color="C0", alpha=0.4)
        axes.plot([row["reward"]] * 2, [place - 0.3, place + 0.3], color="C0", lw=2)
    labels = [f"{row['what']} ({row['algorithm']}, {row['seeds']} seeds)" for row in rows]
    axes.set_yticks(range(len(rows)), labels)
    axes.set_xlabel("last held-out reward, IQM and 95 % interval over seeds")
    axes.grid(axis="x", alpha=0.3)
    save(figure, path)
