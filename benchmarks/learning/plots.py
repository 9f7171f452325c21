"""Pictures of a learning benchmark: PNG files from its JSON document.

Owns the look of the pictures. Computes no statistics.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from agents.evaluation.plots import save

LINES = ("-", "--", ":")
"""Line styles; Matplotlib's ten colors repeat with the next one."""

NUM_COLORS = 10


def draw(document: Mapping[str, Any], folder: Path) -> None:
    """Writes all pictures of a document, except those without data."""
    reward_curves(document, folder / "curves.png")
    wall_clock(document, folder / "wall_clock.png")
    interval_bars(document, folder / "rewards.png")
    if document["profiles"]["algorithms"]:
        profiles(document["profiles"], folder / "profiles.png")
    if document["data_efficiency"]:
        data_efficiency(document["data_efficiency"], folder / "data_efficiency.png")


def reward_curves(document: Mapping[str, Any], path: Path) -> None:
    """Held-out reward over environment steps: IQM over seeds, its interval, and each seed."""
    figure, axes = _figure_with_legend()
    for number, (name, curve) in enumerate(document["curves"].items()):
        _curve(axes, curve["steps"], curve, {**_look(number), "label": name})
        for seed in curve["seeds"]:
            axes.plot(curve["steps"], seed, lw=0.6, color=f"C{number}", alpha=0.6)
    axes.set(xlabel="environment steps", ylabel="held-out reward, IQM and 95 % interval")
    _finish(figure, axes, document["threshold"], path)


def wall_clock(document: Mapping[str, Any], path: Path) -> None:
    """Held-out reward over seconds of training, each reward held until the next evaluation."""
    figure, axes = _figure_with_legend()
    for number, (name, curve) in enumerate(document["wall_clock"].items()):
        look = {**_look(number), "marker": "", "label": name}
        _curve(axes, curve["seconds"], curve, look, is_held=True)
    axes.set_xscale("symlog", linthresh=1.0)
    label = "seconds of training, evaluations included"
    axes.set(xlabel=label, ylabel="held-out reward, IQM and 95 % interval")
    _finish(figure, axes, document["threshold"], path)


def profiles(document: Mapping[str, Any], path: Path) -> None:
    """Performance profiles: share of runs with a score above each value, with 95 % intervals."""
    figure, axes = _figure_with_legend()
    for number, (name, profile) in enumerate(document["algorithms"].items()):
        look = {**_look(number), "marker": "", "label": f"{name}, {profile['runs']} runs"}
        axes.plot(document["taus"], profile["share"], **look)
        axes.fill_between(
            document["taus"], profile["low"], profile["high"], color=look["color"], alpha=0.1, lw=0
        )
    axes.set_xlabel("score: 0 is the random policy, 1 is the best baseline")
    axes.set_ylabel("share of runs above it, 95 % interval")
    _finish(figure, axes, None, path)


def data_efficiency(families: Mapping[str, Any], path: Path) -> None:
    """Last held-out reward over the share of the training examples.

    Solid: IQM over seeds, its interval and each seed. Dashed: greedy decoding without an agent.
    """
    figure, axes = _figure_with_legend()
    for number, (name, curve) in enumerate(families.items()):
        counts = f" (all: {curve['examples'][-1]:,})" if curve["examples"][-1] else ""
        _curve(axes, curve["shares"], curve, {**_look(number), "label": name + counts})
        for share, seeds in zip(curve["shares"], curve["seeds"], strict=True):
            axes.plot([share] * len(seeds), seeds, "x", ms=4, color=f"C{number}", alpha=0.6)
        if "greedy" in curve["baselines"]:
            look = {"color": f"C{number}", "ls": "--", "lw": 1, "label": f"{name}: greedy"}
            axes.axhline(curve["baselines"]["greedy"], **look)
    axes.set_xscale("log")
    shares = sorted({share for curve in families.values() for share in curve["shares"]})
    axes.set_xticks(shares, minor=False)
    axes.set_xticks([], minor=True)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_xlabel("share of the training examples")
    axes.set_ylabel("last held-out reward, IQM and 95 % interval")
    _finish(figure, axes, None, path)


def interval_bars(document: Mapping[str, Any], path: Path) -> None:
    """Last held-out reward of each row: a bar spans the interval, a line marks the IQM."""
    rows = document["rows"][::-1]
    figure = Figure(figsize=(8, 0.4 * len(rows) + 1.2), layout="constrained")
    axes = figure.subplots()
    axes.use_sticky_edges = False  # bars do not start at 0, so that the axis needs margins
    for place, row in enumerate(rows):
        low, high = row["interval"]
        axes.barh(place, high - low, left=low, height=0.6, color="C0", alpha=0.4)
        axes.plot([row["reward"]] * 2, [place - 0.3, place + 0.3], color="C0", lw=2)
    labels = [f"{row['what']} ({row['algorithm']}, {row['seeds']} seeds)" for row in rows]
    axes.set_yticks(range(len(rows)), labels)
    axes.set_xlabel("last held-out reward, IQM and 95 % interval over seeds", loc="right")
    axes.grid(axis="x", alpha=0.3)
    save(figure, path)


def _figure_with_legend() -> tuple[Figure, Axes]:
    """A figure in which `_finish` puts a legend beside the axes."""
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    return figure, figure.subplots()


def _look(number: int) -> dict[str, Any]:
    """Line arguments of the curve with this number; colors repeat after ten, styles differ."""
    style = LINES[number // NUM_COLORS % len(LINES)]
    return {"color": f"C{number}", "ls": style, "lw": 2, "marker": "o", "ms": 3}


def _curve(
    axes: Axes,
    times: Sequence[float],
    curve: Mapping[str, Any],
    look: Mapping[str, Any],
    *,
    is_held: bool = False,
) -> None:
    """Draws the IQM as a line and its interval as a band; as steps if values are held."""
    style, step = ("steps-post", "post") if is_held else ("default", None)
    axes.plot(times, curve["reward"], drawstyle=style, **look)
    axes.fill_between(
        times, curve["low"], curve["high"], color=look["color"], alpha=0.2, step=step, lw=0
    )


def _finish(figure: Figure, axes: Axes, threshold: float | None, path: Path) -> None:
    """Adds threshold, legend and grid, and writes the file."""
    if threshold is not None:
        axes.axhline(threshold, ls="--", lw=1, color="C7", label="threshold")
    figure.legend(loc="outside right upper", fontsize="small")
    axes.grid(alpha=0.3)
    save(figure, path)
