"""`python -m agents.fit_reducer KIND FILE`: samples states, fits a reducer, saves it.

Owns the command line; sampling and fitting live in `agents.evaluation.reducer_fitting`.
"""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import gymnasium as gym
import typer
from gymnasium.vector import AutoresetMode, VectorEnv
from rich.table import Table

from agents.config.env_ids import check_env_id, check_form
from agents.config.imports import TRUST_HELP, check_trusted, import_modules
from agents.config.keyword_arguments import read_arguments
from agents.config.loading import UserError, reported
from agents.evaluation.reducer_fitting import check_kind, fit, sample_states, summarize
from agents.evaluation.terminal import print_table
from lm_envs.envs.observations.wrappers import model_of


def _checked_options(kind: str, file: Path, options: Sequence[str] | None) -> dict[str, Any]:
    """Returns the options of `fit`, checked with kind and file before states are sampled.

    Raises:
        UserError: If the file has another suffix, or an option is no assignment.
        ValueError: If the kind or an option is unknown.
    """
    if file.suffix != ".safetensors":
        raise UserError(f"Got {file}; allowed: a file to write whose name ends in .safetensors.")
    parsed = read_arguments(options or (), "dim=8")
    check_kind(kind, parsed)
    return parsed


def _make_env(
    env_id: str, num_envs: int, kwargs: Mapping[str, Any], imports: Sequence[str], *, trusted: bool
) -> VectorEnv:
    """Makes the environment, after its imports are checked as those of a configuration."""
    values = {"imports": imports, "env": {"kwargs": kwargs}}
    check_trusted(values, trusted=trusted)
    try:
        check_form(env_id)
        import_modules(imports)
        check_env_id(env_id)
    except UserError:
        raise
    except ValueError as error:
        raise UserError(f"Got --env {env_id!r}; {error}") from None
    return gym.make_vec(env_id, num_envs=num_envs, autoreset_mode=AutoresetMode.SAME_STEP, **kwargs)


def main(
    kind: Annotated[str, typer.Argument(help="compressed, clustered, hashed or binned")],
    file: Annotated[Path, typer.Argument(help="file to write, FILE.safetensors")],
    env_id: Annotated[str, typer.Option("--env", help="environment id")] = "lm_envs/NextWord-v0",
    n_envs: Annotated[int, typer.Option(min=1, help="number of rows")] = 64,
    states: Annotated[int, typer.Option(min=2, help="number of states to fit on")] = 20_000,
    seed: Annotated[int, typer.Option(help="seed of examples and actions")] = 0,
    options: Annotated[list[str] | None, typer.Option("--set", help="dim=8, bits=10, …")] = None,
    kwargs: Annotated[
        list[str] | None, typer.Option("--kwarg", help="name=value, of the environment")
    ] = None,
    imports: Annotated[
        list[str] | None, typer.Option("--import", help="module that registers ids")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON, not the table")] = False,
    trust_imports: Annotated[bool, typer.Option("--trust-imports", help=TRUST_HELP)] = False,
) -> None:
    """Fits a reducer on states of the random policy."""
    with reported():
        # Both before the sampling, which takes a minute.
        arguments = read_arguments(kwargs or (), "max_new_tokens=8")
        fitted_options = _checked_options(kind, file, options)
        env = _make_env(env_id, n_envs, arguments, imports or (), trusted=trust_imports)
        start = time.monotonic()
        sampled = sample_states(env, states, seed)
        sampling_s = time.monotonic() - start
        reducer = fit(kind, sampled, model_of(env.unwrapped.spec), fitted_options)
        fitting_s = time.monotonic() - start - sampling_s
        held_out = sample_states(env, min(states, 4_096), seed + n_envs)
        summary = {"kind": kind, **summarize(reducer, sampled, held_out)}
        summary |= {"sampling_s": round(sampling_s, 1), "fitting_s": round(fitting_s, 1)}
        reducer.save(file)
        if as_json:
            typer.echo(json.dumps(summary | {"file": str(file), "model": reducer.model}))
            return
        table = Table("property", "value", title=str(file))
        for name, value in summary.items():
            table.add_row(name, str(value))
        print_table(table)


if __name__ == "__main__":
    typer.run(main)
