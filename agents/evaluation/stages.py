"""Results of the stages of a finetuning run: one run's file, and statistics over several seeds.

Owns the form of `stages.jsonl`. Knows nothing of models; `agents.language_model.stage_measures`
fills in the values.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from agents.config.loading import UserError
from agents.evaluation.intervals import mean_and_interval

STAGES = "stages.jsonl"
"""File in a run folder: one line per finished stage."""

Values = dict[str, list[float]]
"""One value per prompt, by measure."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Results of one finished stage.

    Attributes:
        stage: Name of the stage.
        values: Measures of the completions, on the same prompts after every stage.
        samples: Prompt, reference, text and reward of the first few greedy completions.
    """

    stage: str
    values: Values
    samples: list[dict[str, Any]]

    @property
    def summary(self) -> dict[str, dict[str, Any]]:
        """Mean and 95 % interval over prompts of each measure."""
        return {name: mean_and_interval(np.array([each])) for name, each in self.values.items()}


def read_stages(folder: Path) -> list[Stage]:
    """Reads the finished stages of a run, in their order.

    Raises:
        UserError: If the folder holds none.
    """
    path = folder / STAGES
    if not path.is_file():
        raise UserError(f"Got {folder}, which holds no {STAGES}; give folders of finished runs.")
    # Not splitlines: samples may hold U+2028 or U+0085, which also end lines there.
    lines = path.read_text(encoding="utf-8").split("\n")
    return [Stage(**json.loads(line)) for line in lines if line]


def compare_seeds(folders: Sequence[Path]) -> dict[str, dict[str, dict[str, Any]]]:
    """Computes statistics of each stage and measure over runs that differ in their seed.

    Returns:
        By stage and measure: mean, 95 % interval over runs and prompts, `lowest` and `highest`
        mean of a run. From the second stage on also `gain`, the mean difference to the previous
        stage on the same prompts, and its 95 % interval.

    Raises:
        UserError: If a folder holds no finished run, or the runs differ in their stages, measures
            or numbers of prompts.
    """
    runs = [{each.stage: each.values for each in read_stages(folder)} for folder in folders]
    shapes = [
        {stage: {name: len(each) for name, each in values.items()} for stage, values in run.items()}
        for run in runs
    ]
    if any(shape != shapes[0] for shape in shapes):
        raise UserError(
            "Got runs of other stages, measures or prompts; give the seeds of one configuration."
        )
    found: dict[str, dict[str, dict[str, Any]]] = {}
    previous: dict[str, np.ndarray] = {}
    for stage, measures in runs[0].items():
        values = {name: np.array([run[stage][name] for run in runs]) for name in measures}
        found[stage] = {name: _over_runs(each, previous.get(name)) for name, each in values.items()}
        previous = values
    return found


def stage_table(stages: Sequence[Stage], split: str) -> str:
    """Returns a Markdown table of the stages for the model card."""
    lines = [f"Greedy completions of prompts of the {split} split; mean and 95 % interval.", ""]
    lines += ["| stage | reward | KL, nats per text | log-probability of a token, nats |"]
    lines += ["| --- | --- | --- | --- |"]
    for stage in stages:
        cells = [format_interval(stage.summary[key]) for key in ("reward", "kl", "base_logprob")]
        lines.append(f"| {stage.stage} | {' | '.join(cells)} |")
    return "\n".join(lines)


def format_interval(value: Mapping[str, Any], sign: str = "") -> str:
    """Returns "mean (low … high)"; `sign` is a format flag such as "+"."""
    low, high = value["interval"]
    return f"{value['mean']:{sign}.3f} ({low:{sign}.3f} … {high:{sign}.3f})"


def _over_runs(values: np.ndarray, previous: np.ndarray | None) -> dict[str, Any]:
    """Computes statistics of values (S, P), given those (S, P) of the previous stage."""
    means = values.mean(1)
    extremes = {"lowest": float(means.min()), "highest": float(means.max())}
    found = {**mean_and_interval(values), **extremes}
    return found if previous is None else {**found, "gain": mean_and_interval(values - previous)}
