"""Trains a small PPO agent on `lm_envs/NextWord-v0` and compares its texts with greedy decoding.

Owns the budget of the demonstration. It shows that an installation learns; it is no evaluation:
for one, use `python -m agents.evaluate` of the repository.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from stable_baselines3 import PPO

    from lm_envs.sb3 import LanguageVecEnv

ENV_ID = "lm_envs/NextWord-v0"
STEPS = 150_000
ROWS = 64
HELD_OUT = 64
"""Prompts of the validation split, one text each."""

LONGEST_SHOWN = 150
"""Characters of a text that are printed."""


def run(steps: int, seed: int) -> Iterator[str]:
    """Trains, and yields what to print, line by line.

    Args:
        steps: Environment steps; 0 trains nothing.
        seed: Of the environment and the agent.

    Raises:
        ModuleNotFoundError: Without Stable-Baselines3, with the line that installs it.
        ValueError: If `steps` or `seed` is negative.
    """
    if steps < 0 or seed < 0:
        raise ValueError(f"Got steps={steps}, seed={seed}; allowed: 0 or more.")
    try:
        from stable_baselines3 import PPO

        from lm_envs.sb3 import make_language_vec_env
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"No module {error.name}: pip install 'lm_envs[agents]'"
        ) from None
    yield f"Training PPO on {ENV_ID} for {steps:,} steps in {ROWS} rows..."
    env = make_language_vec_env(ENV_ID, n_envs=ROWS, seed=seed)
    agent = PPO("MlpPolicy", env, n_steps=24, batch_size=512, gamma=1.0, seed=seed)
    if steps:
        agent.learn(steps)
    held_out = make_language_vec_env(ENV_ID, n_envs=HELD_OUT, seed=seed, split="validation")
    greedy, before = _write(held_out, None)
    trained, after = _write(held_out, agent)
    means = f"greedy decoding {greedy.mean():.3f}, the agent {trained.mean():.3f}"
    yield f"Mean reward of {HELD_OUT} held-out prompts: {means}."
    clearest = int(np.argmax(trained - greedy))
    yield f"greedy: {_shown(before[clearest])}"
    yield f"agent:  {_shown(after[clearest])}"


def _write(env: "LanguageVecEnv", agent: "PPO | None") -> tuple[np.ndarray, list[str]]:
    """Return (N,) and prompt with text of the first episode of each row."""
    env.seed(0)
    observations: Any = env.reset()
    returns, texts = np.zeros(env.num_envs), [""] * env.num_envs
    running = np.ones(env.num_envs, bool)
    while running.any():
        actions = np.zeros(env.num_envs, np.int64)
        if agent is not None:
            actions, _ = agent.predict(observations, deterministic=True)
        observations, rewards, dones, infos = env.step(actions)
        returns += np.where(running, rewards, 0.0)
        for row in np.flatnonzero(dones & running):
            texts[row] = infos[row]["prompt"] + " >>" + infos[row]["text"]
        running &= ~dones
    return returns, texts


def _shown(text: str) -> str:
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    return printable if len(printable) <= LONGEST_SHOWN else printable[:LONGEST_SHOWN] + "..."
