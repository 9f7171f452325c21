"""What a study found: the best trial, failed ones, importances, and the best configuration.

Owns the table, the picture and the files of a report. Starts no trial.
"""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
import typer
from matplotlib.figure import Figure
from optuna.trial import TrialState
from rich.table import Table

from agents.config.loading import UserError
from agents.config.train import TrainConfig
from agents.evaluation import plots
from agents.evaluation.terminal import print_table
from agents.runs.files import write_json, write_yaml
from agents.runs.folder import versions
from agents.tune.space import Space, with_values
from agents.tune.study import ERROR

BEST, RESULT, IMPORTANCE = "best.yaml", "result.json", "importance.png"
"""Files of a report in the study folder."""

KILLED = "its process was stopped or killed; the same values are tried again"


def report(study: optuna.Study, space: Space, folder: Path) -> dict[str, Any]:
    """Writes best.yaml, result.json and importance.png; returns the content of result.json.

    best.yaml has the splits of the trials, so that no run of it reads the test split. Before there
    are trials enough for importances, there is no picture.

    Args:
        study: With at least one complete trial.
        space: Of the study.
        folder: Of the study.

    Raises:
        UserError: If every trial failed; the message has the first error.
    """
    trials = study.get_trials(deepcopy=False)
    failed = {t.number: _error(t) for t in trials if t.state is TrialState.FAIL}
    if not any(trial.state is TrialState.COMPLETE for trial in trials):
        first = next(iter(failed.values()), "none has ended yet")
        raise UserError(f"Got no complete trial in {folder}: {first}. See its files in trials/.")
    best = study.best_trial
    values = space.to_values(best.params)
    name = f"{space.base['name']}_tuned"
    tuned = with_values(space.base, {**values, "name": name}, BEST)
    write_yaml(folder / BEST, tuned.model_dump())
    importances = _importances(study)
    if importances:
        _draw(importances, folder / IMPORTANCE)
    counts = {s.name.lower(): sum(t.state is s for t in trials) for s in TrialState}
    result = {
        "study": str(folder),
        "split": space.base["evaluation"]["split"],
        "trials": {name: count for name, count in counts.items() if count},
        "best": {"trial": best.number, "reward": best.value, "values": values},
        "config_reward": trials[0].value,
        "importances": importances,
        "failed": failed,
        "versions": versions(),
    }
    write_json(folder / RESULT, result)
    return result


def print_report(result: Mapping[str, Any], config: TrainConfig) -> None:
    """Prints the best values beside the configuration's, failed trials, and what to run next."""
    best, folder = result["best"], Path(result["study"])
    counts = ", ".join(f"{count} {name}" for name, count in result["trials"].items())
    table = Table(title=f"{config.name}: {counts} trials, judged on {result['split']}")
    for name in ("key", "best", "importance"):
        table.add_column(name)
    for key, value in best["values"].items():
        share = result["importances"].get(key)
        table.add_row(key, _short(value), "" if share is None else f"{share:.2f}")
    print_table(table)
    own = result["config_reward"]
    own_text = "did not complete" if own is None else f"{own:.3f}"
    typer.echo(
        f"held-out reward: {best['reward']:.3f} (trial {best['trial']}); the configuration itself: "
        f"{own_text}. The best of many trials is lucky too: judge it on the test split."
    )
    for number, error in result["failed"].items():
        typer.echo(f"trial {number} failed: {error}")
    run = f"runs/{config.name}_tuned-s{config.seed}"
    if result["importances"]:
        typer.echo(f"picture: {folder / IMPORTANCE}")
    typer.echo(f"JSON: {folder / RESULT}")
    typer.echo(f"next: python -m agents.train {folder / BEST}")
    typer.echo(f"then, once: python -m agents.evaluate {run} --split test")


def print_trial(trial: optuna.trial.FrozenTrial) -> None:
    """Prints one line on standard error for a trial that ended."""
    line = f"trial {trial.number}: {trial.state.name.lower()}"
    rewards = list(trial.intermediate_values.values())
    if trial.state is TrialState.FAIL:
        line += f", {_error(trial)}"
    elif rewards:
        line += f", held-out reward {rewards[-1]:.3f}"
    typer.echo(line, err=True)


def _error(trial: optuna.trial.FrozenTrial) -> str:
    return trial.user_attrs.get(ERROR, KILLED)


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _importances(study: optuna.Study) -> dict[str, float]:
    """Computes each key's share of the variation of the reward; empty with too few trials.

    Source: PED-ANOVA, https://arxiv.org/abs/2304.10255.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # so optuna announces numbers without meaning
        try:
            found = optuna.importance.get_param_importances(study)
        except (RuntimeError, ValueError, UserWarning):  # too few complete trials, equal rewards
            return {}
    return {key: float(share) for key, share in found.items()}


def _draw(importances: Mapping[str, float], path: Path) -> None:
    figure = Figure(figsize=(7, 0.5 * len(importances) + 1.5), layout="constrained")
    axes = figure.subplots()
    names = list(importances)[::-1]
    axes.barh(range(len(names)), [importances[name] for name in names])
    axes.set_yticks(range(len(names)), names)
    axes.set(xlim=(0, 1), xlabel="share of the variation of the held-out reward")
    axes.grid(axis="x", alpha=0.3)
    plots.save(figure, path)
