"""Figures of runs: PNG files from logged numbers.

Owns axes, labels and colors. Computes no statistics.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")  # before the import below: draws to files and needs no display

from matplotlib.figure import Figure

from lm_envs.storage import write_atomically


def loss_curve(log: Sequence[dict[str, Any]], path: Path) -> None:
    """Draws training loss and the held-out loss of each corpus part over optimizer steps."""
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.plot([row["step"] for row in log], [row["loss"] for row in log], lw=0.8, label="training")
    held_out = [row for row in log if "held_out" in row]
    for part in held_out[-1]["held_out"] if held_out else ():
        steps = [row["step"] for row in held_out]
        axes.plot(steps, [row["held_out"][part] for row in held_out], "o-", ms=3, label=part)
    axes.set(xlabel="optimizer steps", ylabel="loss, nats per token")
    axes.legend(title="held out, by part")
    axes.grid(alpha=0.3)
    save(figure, path)


def save(figure: Figure, path: Path) -> None:
    """Writes a figure as PNG, atomically."""
    write_atomically(path, lambda temporary: figure.savefig(temporary, dpi=120, format="png"))


def reward_curve(log: Sequence[dict[str, Any]], baselines: Mapping[str, float], path: Path) -> None:
    """Draws training and held-out reward over environment steps, with baselines as lines."""
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    trained = [row for row in log if row["training_reward"] is not None]
    steps = [row["step"] for row in trained]
    axes.plot(steps, [row["training_reward"] for row in trained], lw=1, label="training (sampled)")
    steps = [row["step"] for row in log]
    rewards = [row["held_out"]["reward"] for row in log]
    axes.plot(steps, rewards, "o-", ms=3, lw=2, label="held out (agent)")
    for number, (name, reward) in enumerate(baselines.items()):
        axes.axhline(reward, ls="--", lw=1, color=f"C{number + 2}", label=name)
    axes.set(xlabel="environment steps", ylabel="mean reward of an episode")
    axes.legend(loc="lower right", fontsize="small")
    axes.grid(alpha=0.3)
    save(figure, path)


def score_bars(
    means: Mapping[str, float], intervals: Mapping[str, tuple[float, float]], path: Path
) -> None:
    """Draws the mean reward of each policy with its 95 % interval."""
    figure = Figure(figsize=(7, 0.6 * len(means) + 1.2), layout="constrained")
    axes = figure.subplots()
    names = list(means)[::-1]
    for position, name in enumerate(names):
        low, high = intervals[name]
        errors = [[means[name] - low], [high - means[name]]]
        color = "C0" if name.startswith("agent") else "C7"
        axes.barh(position, means[name], xerr=errors, color=color, capsize=4)
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("mean held-out reward, 95 % interval")
    axes.grid(axis="x", alpha=0.3)
    save(figure, path)
