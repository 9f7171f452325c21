"""Cost of the agent's interface: steps per second of each action kind and observation.

Owns the list of interfaces. Knows nothing of agents.
"""

from collections.abc import Callable, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode

import lm_envs
from benchmarks.harness import timing
from benchmarks.harness.models import model_folder
from benchmarks.subjects.defaults import DTYPES, MODEL, REPEATS, ROWS, measure_settings
from lm_envs.envs.vector_env import LanguageVectorEnv

gym.register_envs(lm_envs)

STEPS = 48
DEFAULT = "top_k, hidden"
INTERFACES: dict[str, tuple[Any, str]] = {
    DEFAULT: ("top_k", "hidden"),
    "top_k (tokens of the prompt), hidden": ({"kind": "top_k", "k": 8, "copies": 8}, "hidden"),
    "top_k, embeddings": ("top_k", "embeddings"),
    "top_k, tokens": ("top_k", "tokens"),
    "vocabulary, hidden": ("vocabulary", "hidden"),
    "embedding, hidden": ("embedding", "hidden"),
    "embedding (whole vocabulary), hidden": ({"kind": "embedding", "top_k": None}, "hidden"),
}
"""The environment's `actions` and `observation` by the name of a row."""

SMALLEST_K = 8
"""Ranks are drawn below this, the fewest candidates that an interface has, so that all agree."""


def run(
    model: str = MODEL,
    rows: Sequence[int] = ROWS,
    dtypes: Sequence[str] = DTYPES,
    repeats: int = REPEATS,
) -> dict[str, Any]:
    """Steps per second of each interface, and its speed relative to the default one."""
    return measure_settings("interfaces", _compare, model, rows, dtypes, repeats)


def _compare(model: str, num_rows: int, dtype: str, repeats: int) -> list[dict[str, Any]]:
    runs = {
        name: _make_run(model, num_rows, dtype, actions, observation)
        for name, (actions, observation) in INTERFACES.items()
    }
    timings = timing.time_in_turns(runs, repeats)
    default = timings[DEFAULT]
    return [
        {
            "what": name,
            "n": num_rows,
            "dtype": dtype,
            "steps_per_s": num_rows * STEPS / timings[name].median,
            "times_the_default": timing.speedup(timings[name], default),
            **timings[name].as_dict(),
        }
        for name in INTERFACES
    ]


def _make_run(
    model: str,
    num_rows: int,
    dtype: str,
    actions: Any,  # noqa: ANN401 - a spec
    observation: str,
) -> Callable[[], None]:
    """Steps of an environment; in every interface the actions stand for the same candidates."""
    env = gym.make_vec(
        "lm_envs/NextWord-v0",
        num_envs=num_rows,
        model=str(model_folder(model)),
        dtype=dtype,
        actions=actions,
        observation=observation,
        prompt_cache=0,  # the cache is shared: the first interface would fill it for the others
        autoreset_mode=AutoresetMode.SAME_STEP,
    ).unwrapped
    assert isinstance(env, LanguageVectorEnv)
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    ranks = rng.integers(0, SMALLEST_K, (STEPS, num_rows))

    def run() -> None:
        for chosen in ranks:
            env.step(env.actions_for_ranks(chosen))

    return run
