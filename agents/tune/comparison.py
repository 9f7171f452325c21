"""The best configuration of a study and the given one on the test split, which is read once.

Owns the runs over new seeds and the file of the result. Searches for nothing.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from agents.config.loading import UserError
from agents.config.train import TrainConfig
from agents.evaluation.comparison import AGENT, summarize
from agents.evaluation.rollouts import agent_policy, evenly_spaced_indices, run_episodes
from agents.runs.files import write_json
from agents.runs.finished import is_trained, load_agent, make_held_out_env
from agents.runs.folder import versions
from agents.train import train
from agents.tune.report import BEST
from lm_envs.transcript import Transcript

FINAL, FILE = "final", "test.json"
"""Of a study folder: the runs over new seeds, and what they reached on the test split."""

TEST = "test"
GIVEN = "configuration"
ROWS, PROMPTS = 64, 1000


def compare_on_test(
    given: TrainConfig,
    best: TrainConfig,
    folder: Path,
    num_seeds: int,
    *,
    trust_imports: bool = False,
) -> dict[str, Any]:
    """Trains both configurations with seeds that no trial used, and reads the test split once.

    Both learn from the same examples, those of the trials. What is in the folder already is not
    trained again, and a stored result is returned as it is.

    Args:
        given: The configuration of the study, with the splits of the trials.
        best: The best one found, with the same splits.
        folder: Of the study.
        num_seeds: Runs of each: with the seeds after that of the configuration.
        trust_imports: Whether the configuration may import modules; see `check_trusted`.

    Raises:
        UserError: If the folder holds a result for another best configuration or other seeds, or
            runs of another configuration.
    """
    seeds = [given.seed + 1 + number for number in range(num_seeds)]
    document = {"best": best.model_dump(mode="json"), "run_seeds": seeds}
    if (stored := read_stored(folder)) is not None:
        if any(stored.get(key) != value for key, value in document.items()):
            raise UserError(
                f"Got {folder / FILE} of another best trial or of other seeds; allowed: one "
                "reading of the test split for a study. Begin another study with --study."
            )
        return stored
    configs = {AGENT: best, GIVEN: given}
    runs = {name: _train(each, folder, seeds, trust_imports) for name, each in configs.items()}
    rollouts = {name: [_episodes(run, config) for run, config in runs[name]] for name in runs}
    result = {**document, "split": TEST, **summarize(rollouts), "versions": versions()}
    write_json(folder / FILE, result)
    return json.loads(json.dumps(result))


def read_stored(folder: Path) -> dict[str, Any] | None:
    """Returns the stored result of a study; None if the test split was not read."""
    path = folder / FILE
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def print_comparison(result: Mapping[str, Any], folder: Path) -> None:
    """Prints both means with their intervals, and the difference on the same prompts."""
    rewards = {name: scores["reward"] for name, scores in result["policies"].items()}
    seeds = ", ".join(map(str, result["run_seeds"]))
    typer.echo(f"test split, {result['prompts']} prompts, new seeds {seeds}:")
    for name, title in ((AGENT, BEST), (GIVEN, "the configuration itself")):
        typer.echo(f"  {title}: {_with_interval(rewards[name])}")
    ahead = result["agent_ahead"][GIVEN]
    typer.echo(f"  difference: {_with_interval(ahead)}")
    typer.echo(f"JSON: {folder / FILE}")


def _train(
    config: TrainConfig, folder: Path, seeds: list[int], trust_imports: bool
) -> list[tuple[Path, TrainConfig]]:
    """Trains a configuration with each seed; returns folder and configuration of each run."""
    runs, found = folder / FINAL, []
    for seed in seeds:
        seeded = config.model_copy(update={"seed": seed})
        run = runs / seeded.folder_name
        if not is_trained(seeded, run, "--study"):
            train(seeded, runs, resume=run.is_dir(), trust_imports=trust_imports)
        found.append((run, seeded))
    return found


def _episodes(run: Path, config: TrainConfig) -> list[Transcript]:
    env = make_held_out_env(config, TEST, ROWS)
    indices = evenly_spaced_indices(env.num_examples, PROMPTS)
    return run_episodes(env, agent_policy(load_agent(run, config)), indices)


def _with_interval(score: Mapping[str, Any]) -> str:
    low, high = score["interval"]
    return f"{score['mean']:+.3f} [{low:+.3f}, {high:+.3f}]"
