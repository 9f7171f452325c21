"""Cost of what the agent is shown and does: steps per second of each action and observation."""

from collections.abc import Callable, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode

import lm_envs
from benchmarks.harness import timing
from benchmarks.harness.models import folder_of
from lm_envs.envs.vector_env import LanguageVectorEnv

gym.register_envs(lm_envs)

STEPS = 48
DEFAULT = "top_k, hidden"
INTERFACES: dict[str, tuple[Any, str]] = {
    DEFAULT: ("top_k", "hidden"),
    "top_k (words of the prompt), hidden": ({"kind": "top_k", "k": 8, "copies": 8}, "hidden"),
    "top_k, embeddings": ("top_k", "embeddings"),
    "top_k, tokens": ("top_k", "tokens"),
    "vocabulary, hidden": ("vocabulary", "hidden"),
    "embedding, hidden": ("embedding", "hidden"),
    "embedding (whole vocabulary), hidden": ({"kind": "embedding", "top_k": None}, "hidden"),
}
"""Actions and observation by name."""


def run(model: str, rows: Sequence[int], dtypes: Sequence[str], repeats: int) -> dict[str, Any]:
    """Steps per second of each interface, and how that compares with the default one."""
    results = []
    for dtype in dtypes:
        for num_rows in rows:
            results += _side_by_side(model, num_rows, dtype, repeats)
    return {"subject": "interfaces", "model": model, "rows": results}


def _side_by_side(model: str, num_rows: int, dtype: str, repeats: int) -> list[dict[str, Any]]:
    runs = {
        name: _episodes(model, num_rows, dtype, actions, observation)
        for name, (actions, observation) in INTERFACES.items()
    }
    timings = timing.take_turns(runs, repeats)
    default = timings[DEFAULT]
    return [
        {
            "what": name,
            "n": num_rows,
            "dtype": dtype,
            "steps_per_s": num_rows * STEPS / timings[name].median,
            "times_the_default": timing.ratio(timings[name], default),
            **timings[name].as_dict(),
        }
        for name in INTERFACES
    ]


def _episodes(
    model: str,
    num_rows: int,
    dtype: str,
    actions: Any,  # noqa: ANN401 - a spec
    observation: str,
) -> Callable[[], None]:
    """Words drawn from the candidates, whatever they are chosen by: all write alike."""
    env = gym.make_vec(
        "lm_envs/NextWord-v0",
        num_envs=num_rows,
        model=str(folder_of(model)),
        dtype=dtype,
        actions=actions,
        observation=observation,
        prompt_cache=0,  # or the first of them would read the prompts for all
        autoreset_mode=AutoresetMode.SAME_STEP,
    ).unwrapped
    assert isinstance(env, LanguageVectorEnv)
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    ranks = rng.integers(0, 8, (STEPS, num_rows))

    def run() -> None:
        for chosen in ranks:
            env.step(env.actions_for_ranks(chosen))

    return run
