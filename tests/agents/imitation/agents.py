"""Small agents and held-out rows that tests of imitation share."""

import gymnasium as gym
import torch
from stable_baselines3 import DQN, PPO

from lm_envs.sb3 import make_language_vec_env

LIMITS = {"max_new_tokens": 4, "prompt_tokens": 6}
ACTIONS = {"kind": "top_k", "k": 4}


def make_agent(checkpoint, algorithm, **options):
    """An untrained agent; its network is random, so that its choices depend on the text."""
    arguments = {"model": str(checkpoint), "actions": ACTIONS, **LIMITS, **options}
    env = make_language_vec_env("lm_envs/NextWord-v0", 2, 0, **arguments)
    if algorithm == "PPO":
        return PPO("MlpPolicy", env, n_steps=8, batch_size=16, seed=0, device="cpu")
    return DQN("MlpPolicy", env, buffer_size=10, seed=0, device="cpu")


def rows_of(model, task="NextWord", **options):
    """Rows in autoreset mode DISABLED."""
    limits = LIMITS | {"actions": ACTIONS} if task == "NextWord" else {}
    return gym.make_vec(
        f"lm_envs/{task}-v0",
        num_envs=4,
        autoreset_mode="disabled",
        **{"model": str(model), **limits, **options},
    ).unwrapped


def let_choose(agent, action):
    """Makes a DQN agent choose one action everywhere."""
    last = agent.q_net.q_net[-1]
    with torch.no_grad():
        last.weight.zero_()
        last.bias.zero_()
        last.bias[action] = 1.0
