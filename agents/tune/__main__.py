"""`python -m agents.tune CONFIG`: searches for hyperparameters of `agents.train`.

Owns the options and the order: check everything, run trials, report.
"""

import importlib
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from agents.algorithms.factory import check_actions, make_evaluation_env
from agents.config.imports import TRUST_HELP, import_for_run
from agents.config.loading import UserError, load_config, read_values, reported, validated
from agents.config.train import TrainConfig
from agents.runs.session import stopped_at_once
from agents.tune.space import Space, read_space
from lm_envs.validation import check_choice, check_count

SEARCH = "search"
"""Key of the ranges, in the configuration's file or in a file of their own."""

AGAIN = "repeat the command to go on, which begins with the trial that was running"
"""How to continue a study that was stopped; the end of its message."""


def read_files(
    config: Path, search: Path | None, assignments: list[str]
) -> tuple[TrainConfig, object]:
    """Reads a configuration and the value of its key `search`, or that of another file.

    Raises:
        UserError: If a file cannot be read, or both or none have the key.
    """
    values = read_values(config)
    found = [values.pop(SEARCH)] if SEARCH in values else []
    if search is not None:
        others = read_values(search)
        if set(others) != {SEARCH}:
            raise UserError(f"Got keys {', '.join(map(str, others))} in {search}; allowed: search.")
        found.append(others[SEARCH])
    if len(found) != 1:
        raise UserError(
            f"Got {len(found)} search spaces; allowed: one, under the key `search` of {config} or "
            "of the file of --search, such as configs/tune_question_answering.yaml."
        )
    return validated(TrainConfig, values, assignments, str(config)), found[0]


def tune(
    config: TrainConfig,
    search: object,
    folder: Path,
    *,
    trials: int = 30,
    pruner: str = "median",
    startup: int = 5,
    compare: int = 0,
    trust_imports: bool = False,
) -> dict[str, Any]:
    """Runs trials until the study of a folder has the given number; returns its report.

    Args:
        config: Configuration whose values are searched; its own values are the first trial.
        search: Ranges by dotted key; see `read_space`.
        folder: Of the study, which other processes may share; made if it does not exist.
        trials: Of the study, over all processes and starts.
        pruner: One of `PRUNERS`.
        startup: Trials before the sampler learns from results and the median pruner stops any.
        compare: Seeds of a comparison with `config` on the test split, under the key "test"; or 0.
        trust_imports: Whether the configuration may import modules; see `check_trusted`.

    Raises:
        ModuleNotFoundError: If optuna is missing.
        UserError: If the search space is invalid, the folder holds another study, imports are not
            trusted, or every trial failed.
        Interrupted: If a signal arrived; the running trial is repeated by the next start.
    """
    _check_optuna()  # an extra, imported here: `--help` works without it
    from agents.tune.report import print_trial, report
    from agents.tune.study import PRUNERS, Settings, open_study, run_trials, tuning_splits

    check_choice("pruner", pruner, PRUNERS)
    _check_counts(trials, startup, compare)
    _check_environments(space := read_space(tuning_splits(config), search), trust_imports)
    study = open_study(folder, space, Settings(pruner, startup))
    with stopped_at_once(f"Stopped the study {folder}; {AGAIN}."):
        run_trials(study, space, folder, trials, trust_imports=trust_imports, announce=print_trial)
    return report(study, space, folder) | _compared(space, folder, compare, trust_imports)


def _compared(space: Space, folder: Path, seeds: int, trust_imports: bool) -> dict[str, Any]:
    """Returns the comparison on the test split under the key "test"; nothing without seeds."""
    if not seeds:
        return {}
    from agents.tune.comparison import compare_on_test
    from agents.tune.report import BEST

    best = load_config(TrainConfig, folder / BEST)
    given = space.config({})
    return {"test": compare_on_test(given, best, folder, seeds, trust_imports=trust_imports)}


def _check_counts(trials: int, startup: int, compare: int) -> None:
    check_count("trials", trials)
    check_count("startup", startup)
    check_count("compare", compare, least=0)


def _check_optuna() -> None:
    try:
        importlib.import_module("optuna")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"Got no package {error.name!r}; install it with `pip install lm_envs[tune]`."
        ) from None


def _check_environments(space: Space, trust_imports: bool) -> None:
    """Checks imports, actions, arguments of the environment and examples before any trial."""
    ranges = {key: each.ends for key, each in space.ranges.items()}
    for number in range(max(map(len, ranges.values()))):
        values = {key: ends[min(number, len(ends) - 1)] for key, ends in ranges.items()}
        tried = space.config(values)
        import_for_run(tried, trusted=trust_imports)
        check_actions(tried)
        if not number or any(key.startswith("env.kwargs") for key in ranges):
            make_evaluation_env(tried, tried.evaluation.split, 1).close()


def main(
    config: Annotated[Path, typer.Argument(help="YAML file of agents.train, with a key `search`")],
    search: Annotated[Path | None, typer.Option(help="file with the key `search`")] = None,
    study: Annotated[
        Path | None, typer.Option(help="folder to begin or join; studies/NAME by default")
    ] = None,
    trials: Annotated[int, typer.Option(help="of the study, over all its processes")] = 30,
    pruner: Annotated[str, typer.Option(help="median, hyperband or none")] = "median",
    startup: Annotated[int, typer.Option(help="trials before sampling and pruning learn")] = 5,
    compare: Annotated[
        int, typer.Option(min=0, help="seeds to compare best.yaml and CONFIG with, once, on test")
    ] = 0,
    assignments: Annotated[list[str] | None, typer.Option("--set", help="key.key=value")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON, not the table")] = False,
    trust_imports: Annotated[bool, typer.Option("--trust-imports", help=TRUST_HELP)] = False,
) -> None:
    """Searches for hyperparameters, judged on the validation split; several processes may join.

    No trial reads the test split. It is read once, at the end, with --compare; or train
    STUDY/best.yaml, and read it by `python -m agents.evaluate RUN --split test`.
    """
    with reported():
        settings, ranges = read_files(config, search, assignments or [])
        folder = study or Path("studies") / settings.name
        options: dict[str, Any] = {"trials": trials, "pruner": pruner, "startup": startup}
        options |= {"compare": compare, "trust_imports": trust_imports}
        result = tune(settings, ranges, folder, **options)
        if as_json:
            typer.echo(json.dumps(result))
        else:
            from agents.tune.comparison import print_comparison
            from agents.tune.report import print_report

            print_report(result, settings)
            if compare:
                print_comparison(result["test"], folder)


if __name__ == "__main__":
    typer.run(main)
