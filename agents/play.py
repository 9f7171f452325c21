"""`python -m agents.play ID`: a person chooses the actions, and is compared with others.

Owns the command line and the reading of keys; the session lives in `agents.viewing`.
"""

import sys
from pathlib import Path
from typing import Annotated

import click
import gymnasium as gym
import numpy as np
import typer
from gymnasium.vector import AutoresetMode
from rich.console import Console

import lm_envs
from agents.config.env_ids import check_env_id
from agents.config.imports import TRUST_HELP, check_trusted
from agents.config.keyword_arguments import read_arguments
from agents.config.loading import UserError, reported
from agents.runs.manifest import CHECKPOINT_HELP
from agents.viewing.play_session import PlaySession, opponents_for
from agents.viewing.policies import ViewedPolicy
from agents.viewing.recorder import check_indices
from agents.viewing.runs import ViewedRun, load_run
from lm_envs.envs.base import EpisodicVectorEnv

gym.register_envs(lm_envs)


def read_key() -> str:
    """Returns the next key of a terminal, or the next line of a pipe; "" at its end."""
    if sys.stdin.isatty():
        try:
            return click.getchar()
        except (KeyboardInterrupt, EOFError):
            return ""
    return sys.stdin.readline().strip()


def make_session_env(
    env_id: str, run: ViewedRun | None, split: str, assignments: list[str], *, trust_imports: bool
) -> tuple[EpisodicVectorEnv, ViewedPolicy | None]:
    """Returns one row of an environment, and the agent of a run that plays it too.

    Args:
        env_id: Of the environment.
        run: Run whose environment arguments are used; None for the id's defaults.
        split: Of the examples.
        assignments: Further environment arguments, "name=value".
        trust_imports: Whether they may import modules; see `check_trusted`.

    Raises:
        UserError: If the id is unknown or that of another environment than the run's, an
            assignment is malformed, or arguments are given together with a run.
    """
    kwargs = read_arguments(assignments, "max_new_tokens=8")
    if run is not None:
        if kwargs or run.config.env.id != env_id:
            raise UserError(
                f"Got {env_id} {kwargs or ''} with a run of {run.config.env.id}; allowed: the "
                "run's own id, and no --set, because the agent needs its own observations."
            )
        return run.environment(split, 1), run.policy
    check_trusted({"env": {"kwargs": kwargs}}, trusted=trust_imports)
    try:
        check_env_id(env_id)
    except ValueError as error:
        raise UserError(f"Got {env_id!r}; {error}") from None
    made = gym.make_vec(
        env_id, num_envs=1, autoreset_mode=AutoresetMode.DISABLED, split=split, **kwargs
    )
    assert isinstance(made.unwrapped, EpisodicVectorEnv)
    return made.unwrapped, None


def main(
    env_id: Annotated[str, typer.Argument(metavar="ID", help="such as lm_envs/NextWord-v0")],
    run: Annotated[Path | None, typer.Option(help="run whose agent plays too")] = None,
    episodes: Annotated[int, typer.Option(min=1, help="number of examples")] = 3,
    index: Annotated[list[int] | None, typer.Option(help="an example; repeatable")] = None,
    split: Annotated[str, typer.Option(help="train, validation or test")] = "test",
    seed: Annotated[int, typer.Option(help="of the drawn examples")] = 0,
    assignments: Annotated[list[str] | None, typer.Option("--set", help="name=value")] = None,
    color: Annotated[bool, typer.Option("--color/--no-color", help="colors")] = True,
    checkpoint: Annotated[str, typer.Option(help=CHECKPOINT_HELP)] = "last",
    trust_imports: Annotated[bool, typer.Option("--trust-imports", help=TRUST_HELP)] = False,
) -> None:
    """Lets you be the agent: choose by key, and see what the model and an agent would have done."""
    with reported():
        loaded = load_run(run, checkpoint, trust_imports=trust_imports) if run else None
        env, agent = make_session_env(
            env_id, loaded, split, assignments or [], trust_imports=trust_imports
        )
        check_indices(env, index or [])
        count = min(episodes, env.num_examples)
        drawn = np.random.default_rng(seed).choice(env.num_examples, count, replace=False)
        console = Console(no_color=None if color else True, highlight=False)
        session = PlaySession(env, opponents_for(env, agent), console, read_key)
        session.play(index or drawn)


if __name__ == "__main__":
    typer.run(main)
