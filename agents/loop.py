"""`python -m agents.loop CONFIG`: an agent over a model, the model taught by it, and again.

Owns the rounds and their log. Agents are trained by `agents.train`, models by `agents.imitation`.
"""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from agents.config.distill import LoopConfig
from agents.config.imports import TRUST_HELP
from agents.config.loading import UserError, load_config, reported
from agents.config.train import TrainConfig
from agents.distill import RESULTS
from agents.evaluation.summary import print_files, rounded
from agents.imitation.runs import distill_agent, greedy_reward
from agents.runs.files import write_json, write_jsonl, write_yaml
from agents.runs.folder import RESULT, check_exists, versions
from agents.runs.session import RunSession, stopped_at_once
from agents.train import train
from lm_envs.model.loading import EMBEDDED
from lm_envs.rendering import printable

CONFIG, LOG = "loop.yaml", "loop.jsonl"
"""Files of a loop: its configuration, and a line for each finished round."""


def loop(
    config: LoopConfig, runs: Path, *, resume: bool = False, trust_imports: bool = False
) -> dict[str, Any]:
    """Trains agent and model in turns until the rounds are used or the target reward is reached.

    Each round trains a new agent over the current model, then the model on the agent's choices. All
    models are judged by the first one on the same held-out prompts, greedily.

    Args:
        config: Of the loop.
        runs: Folder in which the folder `<name>-s<seed>` is made; it holds the agents' runs.
        resume: Whether to go on after the last finished round.
        trust_imports: Whether the configuration may import modules; see `check_trusted`.

    Returns:
        `run`, the folder; `model`, the folder of the last model; `rounds`, a row for each.

    Raises:
        UserError: If the folder exists already, is in use, or cannot be resumed with this
            configuration.
        Interrupted: If SIGINT or SIGTERM arrived; finished rounds and the checkpoint of an agent
            that was learning are kept.
    """
    folder = runs / f"{config.name}-s{config.agent.seed}"
    if resume:
        check_exists(folder)  # before the lock makes the folder
    # Each round's training saves a checkpoint after a signal; distillation has nothing to save.
    with RunSession(folder, handles_signals=False):
        rounds = _open(config, folder, resume=resume)
        _run_rounds(config, folder, rounds, trust_imports=trust_imports)
        result = {"run": str(folder), "model": rounds[-1]["model"], "rounds": rounds}
        write_json(folder / RESULT, {**result, "versions": versions()})
    return result


def _run_rounds(
    config: LoopConfig, folder: Path, rounds: list[dict[str, Any]], *, trust_imports: bool
) -> None:
    """Adds the rows of the missing rounds to `rounds`, and writes the log after each."""
    first = config.agent.env.kwargs.get("model", EMBEDDED)
    while len(rounds) < config.rounds and not _is_good_enough(config, rounds):
        model = rounds[-1]["model"] if rounds else first
        number = len(rounds) + 1
        agent = _round_config(config, number, model)
        run = folder / agent.folder_name
        again = f"repeat the command with --resume to go on with round {number}"
        with stopped_at_once(f"Stopped {folder} in round {number}; {again}."):
            # Whatever an interruption left of this round's agent is continued.
            train(agent, folder, resume=run.is_dir(), trust_imports=trust_imports)
            found = distill_agent(run, agent, config.imitation, run / RESULTS, judge=first)
        start = rounds[-1]["reward"] if rounds else greedy_reward(found, "base")
        row = {"round": number, "model": found["model"], "agent": found["agent"]}
        rounds.append({**row, "before": start, "reward": greedy_reward(found)})
        write_jsonl(folder / LOG, rounds)


def _print(result: dict[str, Any]) -> None:
    """Prints a row for each round, and where the files are."""
    console, folder = Console(highlight=False), Path(result["run"])
    title = Text(printable(f"{folder.name}: mean held-out reward"))
    table = Table(title=title, title_justify="left")
    for name in ("round", "agent", "model before, greedy", "model after, greedy"):
        table.add_column(name, justify="right")
    for row in result["rounds"]:
        rewards = (f"{rounded(row[key]):.3f}" for key in ("agent", "before", "reward"))
        table.add_row(str(row["round"]), *rewards)
    console.print(table)
    print_files({"model": Path(result["model"]), "JSON": folder / RESULT}, console)


def _open(config: LoopConfig, folder: Path, *, resume: bool) -> list[dict[str, Any]]:
    """Makes or checks the folder of a loop; returns the rows of its finished rounds."""
    path = folder / CONFIG
    if path.is_file() and not resume:
        raise UserError(f"Got a loop at {folder} already; use another name, or --resume.")
    if resume:
        if not path.is_file():
            raise UserError(f"Got --resume, but there is no loop at {folder}; drop it.")
        stored = load_config(LoopConfig, path)
        changes = {name: getattr(config, name) for name in config.may_change}
        if stored.model_copy(update=changes) != config:
            raise UserError(
                f"Got --resume with another configuration than {path}; allowed to change: "
                f"{', '.join(config.may_change)}. Give the stored values, or another name."
            )
    write_yaml(path, config.model_dump())
    log = folder / LOG
    lines = log.read_text(encoding="utf-8").split("\n") if log.is_file() else []
    return [json.loads(line) for line in lines if line]


def _is_good_enough(config: LoopConfig, rounds: list[dict[str, Any]]) -> bool:
    target = config.stop_at_reward
    return target is not None and bool(rounds) and rounds[-1]["reward"] >= target


def _round_config(config: LoopConfig, number: int, model: str) -> TrainConfig:
    """Returns the configuration of a round's agent, over the current model."""
    agent = config.agent.with_env_kwargs(model=model)
    return agent.model_copy(update={"name": f"round{number}"})


def main(
    config: Annotated[
        Path, typer.Argument(help="YAML file such as configs/question_answering_loop.yaml")
    ],
    resume: Annotated[bool, typer.Option(help="go on after the last finished round")] = False,
    assignments: Annotated[list[str] | None, typer.Option("--set", help="key.key=value")] = None,
    runs: Annotated[Path, typer.Option(help="parent of the loop's folder")] = Path("runs"),
    as_json: Annotated[bool, typer.Option("--json", help="print JSON, not the summary")] = False,
    trust_imports: Annotated[bool, typer.Option("--trust-imports", help=TRUST_HELP)] = False,
) -> None:
    """Trains an agent, teaches the model what it chooses, and begins again with that model."""
    with reported():
        settings = load_config(LoopConfig, config, assignments or [])
        result = loop(settings, runs, resume=resume, trust_imports=trust_imports)
        if as_json:
            typer.echo(json.dumps({**result, "versions": versions()}))
        else:
            _print(result)


if __name__ == "__main__":
    typer.run(main)
