"""`python -m agents.fit_reducer KIND FILE`: samples states, fits a reducer, saves it.

States are those that the random policy meets. Owns the sampling; fitting lives in the library.
"""

import inspect
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import gymnasium as gym
import numpy as np
import typer
import yaml
from gymnasium.vector import AutoresetMode, VectorEnv
from rich.console import Console
from rich.table import Table

import lm_envs
from agents.config.loading import UserError, reported
from lm_envs.envs.observations.reducers import REDUCERS, Reducer
from lm_envs.envs.observations.wrappers import model_of
from lm_envs.validation import check_choice

gym.register_envs(lm_envs)

_FITTED = ("states", "model")


def sample_states(env: VectorEnv, count: int, seed: int = 0) -> np.ndarray:
    """States (count, D) that the random policy meets, first states of episodes included.

    Args:
        env: With vector observations, in autoreset mode SAME_STEP.
        count: How many.
        seed: Of the examples and of the actions.

    Raises:
        ValueError: If its observations are no vectors.
    """
    space = env.single_observation_space
    if not isinstance(space, gym.spaces.Box) or len(space.shape) != 1:
        kind = f"{type(space).__name__} of shape {space.shape}"
        raise ValueError(f"Got observations {kind}; allowed: vectors, as observation='hidden'.")
    env.action_space.seed(seed)
    states = [env.reset(seed=seed)[0]]
    while len(states) * env.num_envs < count:
        states.append(env.step(env.action_space.sample())[0])
    return np.concatenate(states)[:count]


def fit(kind: str, states: np.ndarray, model: str, options: dict[str, Any]) -> Reducer:
    """A reducer of a kind, fitted on states (S, D) of the model with that fingerprint.

    Raises:
        ValueError: If the kind or an option is unknown, or an option is out of range.
    """
    check_choice("kind", kind, REDUCERS)
    method = REDUCERS[kind].fit
    allowed = [name for name in inspect.signature(method).parameters if name not in _FITTED]
    for name in options:
        check_choice("option", name, allowed)
    return method(states, model=model, **options)


def summarize(reducer: Reducer, states: np.ndarray, held_out: np.ndarray) -> dict[str, Any]:
    """What the reduction does to held-out states: codes in use, or their range."""
    size = {"features": states.shape[1], "states": len(states), "space": str(reducer.space)}
    reduced = reducer.transform(held_out)
    if isinstance(reducer.space, gym.spaces.Box):
        return size | {"held_out_deviation": round(float(reduced.std(0).mean()), 3)}
    codes, counts = np.unique(reduced, axis=0, return_counts=True)
    largest = counts.max() / len(held_out)
    return size | {"held_out_codes": len(codes), "largest_code_share": round(float(largest), 3)}


def _values(assignments: Sequence[str]) -> dict[str, Any]:
    """Values of `name=value` texts, read as YAML.

    Raises:
        UserError: If one has no name, or a value that is no YAML.
    """
    values = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        try:
            values[name] = yaml.safe_load(text)
        except yaml.YAMLError:
            name = ""
        if not (name and equals):
            raise UserError(f"Got {assignment!r}; allowed: name=value, such as dim=8.")
    return values


def main(
    kind: Annotated[str, typer.Argument(help="compressed, clustered, hashed or binned")],
    file: Annotated[Path, typer.Argument(help="where the reducer goes, FILE.safetensors")],
    env_id: Annotated[str, typer.Option("--env", help="environment id")] = "lm_envs/NextWord-v0",
    n_envs: Annotated[int, typer.Option(min=1, help="rows")] = 64,
    states: Annotated[int, typer.Option(min=2, help="states to fit on")] = 20_000,
    seed: Annotated[int, typer.Option(help="of examples and actions")] = 0,
    options: Annotated[list[str] | None, typer.Option("--set", help="dim=8, bits=10, …")] = None,
    kwargs: Annotated[
        list[str] | None, typer.Option("--kwarg", help="of the environment, name=value")
    ] = None,
) -> None:
    """Fits a reducer on states of the random policy."""
    with reported():
        env = gym.make_vec(
            env_id, num_envs=n_envs, autoreset_mode=AutoresetMode.SAME_STEP, **_values(kwargs or [])
        )
        start = time.monotonic()
        sampled = sample_states(env, states, seed)
        sampling_s = time.monotonic() - start
        reducer = fit(kind, sampled, model_of(env.unwrapped.spec), _values(options or []))
        fitting_s = time.monotonic() - start - sampling_s
        held_out = sample_states(env, min(states, 4_096), seed + n_envs)
        summary = {"kind": kind, **summarize(reducer, sampled, held_out)}
        summary |= {"sampling_s": round(sampling_s, 1), "fitting_s": round(fitting_s, 1)}
        reducer.save(file)
        table = Table("property", "value", title=str(file))
        for name, value in summary.items():
            table.add_row(name, str(value))
        Console().print(table)
        typer.echo(json.dumps(summary | {"file": str(file), "model": reducer.model}))


if __name__ == "__main__":
    typer.run(main)
