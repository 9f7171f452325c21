"""`python -m agents.train_rllib CONFIG`: trains an agent of `agents.train` by Ray RLlib's PPO.

Owns the options, the checks before anything starts and the order of a run. It leaves the run folder
that `agents.train` leaves, with a checkpoint of the same form, so that `agents.evaluate`,
`agents.enjoy`, `agents.explain` and `agents.load` take it.
"""

import json
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from agents.config.imports import TRUST_HELP
from agents.config.loading import load_config, reported
from agents.config.train import TrainConfig
from agents.runs.folder import versions
from agents.runs.tracking import TRACK_HELP
from agents.train import print_result, train_and_compare
from agents.train_rllib.callback import RunnersCallback
from agents.train_rllib.cluster import check_address, check_ray
from agents.train_rllib.settings import check_settings


def main(
    config: Annotated[Path, typer.Argument(help="YAML file of agents.train, with PPO")],
    runners: Annotated[int, typer.Option(help="processes, each with a model and env.n_envs rows")],
    address: Annotated[
        str | None, typer.Option(help="host:port of a Ray cluster, or auto; default: a local one")
    ] = None,
    resume: Annotated[bool, typer.Option(help="continue from the run's checkpoint")] = False,
    checkpoint: Annotated[str, typer.Option(help="last or best, with --resume")] = "last",
    seed: Annotated[int | None, typer.Option(help="replaces the seed of the file")] = None,
    assignments: Annotated[list[str] | None, typer.Option("--set", help="key.key=value")] = None,
    runs: Annotated[Path, typer.Option(help="folder of the run folders")] = Path("runs"),
    track: Annotated[str, typer.Option(help=TRACK_HELP)] = "tensorboard",
    as_json: Annotated[bool, typer.Option("--json", help="print JSON, not the summary")] = False,
    trust_imports: Annotated[bool, typer.Option("--trust-imports", help=TRUST_HELP)] = False,
) -> None:
    """Trains an agent whose rows are stepped by several processes, on one machine or a cluster."""
    with reported():
        extra = [] if seed is None else [f"seed={seed}"]
        settings = load_config(TrainConfig, config, [*(assignments or []), *extra])
        check_settings(settings, runners)
        if address is not None:
            check_address(address)
        check_ray()
        result, rollouts = train_and_compare(
            settings,
            runs,
            resume=resume,
            trust_imports=trust_imports,
            checkpoint=checkpoint,
            track=track,
            make_callback=partial(RunnersCallback, runners=runners, address=address),
        )
        if as_json:
            typer.echo(json.dumps({**result, "runners": runners, "versions": versions()}))
        else:
            print_result(settings, result, rollouts)


if __name__ == "__main__":
    typer.run(main)
