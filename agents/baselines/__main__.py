"""`python -m agents.baselines CONFIG …`: baselines of a configuration, without an agent.

Owns the table and the file. Settings are chosen on one split and shown on another.
"""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from agents.baselines.families import Environments
from agents.baselines.selection import requested_families
from agents.baselines.suite import (
    CLONE_HELP,
    FINE_TUNED_HELP,
    LEAST_CHOICE_PROMPTS,
    SEARCH_HELP,
    best_of_record,
    run_suite,
)
from agents.config.finetune import load_run_config
from agents.config.imports import TRUST_HELP, import_for_run
from agents.config.loading import UserError, reported
from agents.config.train import TrainConfig
from agents.evaluation.comparison import listed_scores, prompt_scores, score_intervals
from agents.evaluation.rollouts import evenly_spaced_indices
from agents.evaluation.summary import mean_and_half_width
from agents.evaluation.terminal import print_table
from agents.runs.files import write_json
from agents.runs.folder import versions


def measure(
    config: TrainConfig,
    split: str,
    episodes: int,
    *,
    trust_imports: bool = False,
    **options: Any,  # noqa: ANN401 - of `requested_families`
) -> dict[str, Any]:
    """Returns every baseline's rewards on a split, and which is the strongest.

    Args:
        config: Of the run that the baselines stand beside.
        split: The evaluated split.
        episodes: Largest number of prompts.
        trust_imports: Whether the configuration may import modules; see `check_trusted`.
        options: `search`, `clone`, `only` and `fine_tuned`, as of `requested_families`.

    Raises:
        UserError: If imports are not trusted, or an option does not fit the configuration.
        ValueError: If there is no such split.
    """
    import_for_run(config, trusted=trust_imports)
    environments = Environments(config)
    env = environments.get(split)
    indices = evenly_spaced_indices(env.num_examples, episodes)
    found = requested_families(environments, split, **options)
    suite = run_suite(environments, split, indices, found, shows_progress=True)
    scores = prompt_scores(suite.rollouts)
    return {
        "config": config.model_dump(),
        "split": split,
        "prompts": len(indices),
        "rewards": {name: each["reward"] for name, each in score_intervals(scores).items()},
        **suite.record(),
        **best_of_record(environments, split, indices, suite),
        "prompt_scores": listed_scores(scores),
        "versions": versions(),
    }


def _print(result: dict[str, Any]) -> None:
    baselines = result["baselines"]
    table = Table(
        title=f"{result['config']['name']}: {result['prompts']} {result['split']} prompts"
    )
    table.add_column("baseline")
    table.add_column("reward ± 95 %", justify="right")
    table.add_column(f"on {baselines['chosen_on']}", justify="right")
    table.add_column("setting")
    for name, reward in sorted(result["rewards"].items(), key=lambda each: -each[1]["mean"]):
        chosen = baselines["settings"][name]
        setting = "" if chosen["setting"] is None else json.dumps(chosen["setting"])
        is_first = name == baselines["strongest"]
        cells = [name, mean_and_half_width(reward), f"{chosen['reward']:.3f}", setting[:40]]
        table.add_row(*cells, style="bold" if is_first else "")
    print_table(table)
    typer.echo(f"strongest, as chosen on {baselines['chosen_on']}: {baselines['strongest']}")


def main(
    config: Annotated[Path, typer.Argument(help="YAML file, such as configs/next_word_ppo.yaml")],
    split: Annotated[str, typer.Option(help="train, validation, test, or 'test[:25%]'")] = "test",
    episodes: Annotated[int, typer.Option(min=LEAST_CHOICE_PROMPTS, help="most prompts")] = 200,
    clone: Annotated[bool, typer.Option(help=CLONE_HELP)] = False,
    search: Annotated[bool, typer.Option(help=SEARCH_HELP)] = False,
    only: Annotated[list[str] | None, typer.Option(help="name of a baseline; repeat")] = None,
    fine_tuned: Annotated[Path | None, typer.Option(help=FINE_TUNED_HELP)] = None,
    output: Annotated[Path | None, typer.Option(help="JSON file with each prompt's score")] = None,
    assignments: Annotated[list[str] | None, typer.Option("--set", help="key.key=value")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON, not the table")] = False,
    trust_imports: Annotated[bool, typer.Option("--trust-imports", help=TRUST_HELP)] = False,
) -> None:
    """Measures the baselines that an agent of this configuration has to exceed."""
    with reported():
        settings = load_run_config(config, assignments or [])
        options: dict[str, Any] = {"clone": clone, "search": search, "only": only or ()}
        options["fine_tuned"] = fine_tuned
        result = measure(settings, split, episodes, trust_imports=trust_imports, **options)
        if "baselines" not in result:
            raise UserError(
                f"Got {result['prompts']} prompts of split={split!r}; allowed: at least "
                f"{LEAST_CHOICE_PROMPTS}, to choose settings by. Take another split."
            )
        if output is not None:
            write_json(output, result)
        if as_json:
            typer.echo(json.dumps(result))
        else:
            _print(result)


if __name__ == "__main__":
    typer.run(main)
