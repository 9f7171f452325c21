"""Writes a few numbers of a short episode, so that two processes can be compared.

`python -m lm_envs.command.probe MODEL` prints one JSON object: "single", the observations of a
single environment, and "row", those of row 1 of a batch that starts the same episode.
"""

import json
import sys
from typing import Any

import gymnasium as gym
import numpy as np

import lm_envs  # noqa: F401 - registers the environments

ENV_ID = "lm_envs/NextWord-v0"
STEPS = 12
SEED = 5


def main() -> None:
    """Prints the numbers for the model that the command line names."""
    print(json.dumps(observe(sys.argv[1])))


def parse(text: str) -> dict[str, np.ndarray]:
    """Arrays (STEPS + 1, columns) float64 by name, from what `main` printed."""
    return {name: np.array(values) for name, values in json.loads(text).items()}


def observe(model: str) -> dict[str, list[Any]]:
    """Observations of one episode, from a single environment and from row 1 of a batch.

    Args:
        model: As in `gymnasium.make`. Computed in float32, so that devices can be compared.
    """
    options: dict[str, Any] = {"model": model, "dtype": "float32", "max_new_tokens": STEPS + 1}
    actions = np.random.default_rng(SEED).integers(0, 4, STEPS)
    env = gym.make(ENV_ID, **options)
    single = [env.reset(seed=SEED + 1)[0]]
    batch = gym.make_vec(ENV_ID, num_envs=2, **options)
    row = [batch.reset(seed=SEED)[0][1]]
    for action in actions:
        observation, _, terminated, truncated, _ = env.step(action)
        single.append(observation)
        row.append(batch.step(np.array([0, action]))[0][1])
        if terminated or truncated:
            break
    return {"single": np.stack(single).tolist(), "row": np.stack(row).tolist()}


if __name__ == "__main__":
    main()
