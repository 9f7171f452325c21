"""Small language-model agents that tests share."""

import gymnasium as gym
from stable_baselines3 import PPO

from agents.language_model.buffer import EpisodeRolloutBuffer
from agents.language_model.policy import LanguageModelPolicy
from lm_envs.sb3 import make_language_vec_env
from tests.tokenizer import helpers

ROWS, STEPS = 6, 10


def make_env(checkpoint, **options):
    return make_language_vec_env(
        "lm_envs/NextWord-v0",
        n_envs=ROWS,
        seed=0,
        **{
            "model": str(checkpoint),
            "actions": "vocabulary",
            "observation": "tokens",
            "max_new_tokens": 7,
            "prompt_tokens": 6,
        }
        | options,
    )


def make_agent(checkpoint, env=None, buffer=EpisodeRolloutBuffer, **options):
    settings = {"n_steps": STEPS, "batch_size": 20, "n_epochs": 1, "seed": 0, "device": "cpu"}
    settings["policy_kwargs"] = {"model": str(checkpoint)}
    return PPO(
        LanguageModelPolicy,
        env or make_env(checkpoint),
        rollout_buffer_class=buffer,
        **settings | options,
    )


def checkpoint_with_special_tokens(folder):
    """Writes a tiny GPT-2 whose tokenizer has likely special tokens at 0, 1 and 3."""
    helpers.byte_level(folder)
    model = helpers.tiny_gpt2(folder)
    model.transformer.ln_f.bias.data[0] = 4.0
    model.transformer.wte.weight.data[[0, 1, 3], 0] = 1.0  # logits 4 above those of others
    model.save_pretrained(folder)
    return folder


def collect(agent):
    """Fills the agent's buffer with one rollout, and does not learn from it."""
    agent._total_timesteps = 10**6
    _, callback = agent._setup_learn(10**6, None)
    agent.collect_rollouts(agent.env, callback, agent.rollout_buffer, agent.n_steps)
    return agent.rollout_buffer


def rows_of(model, task="NextWord", **options):
    """Rows that a caller resets, for a policy that is a language model."""
    env = gym.make_vec(
        f"lm_envs/{task}-v0",
        num_envs=8,
        autoreset_mode=gym.vector.AutoresetMode.DISABLED,
        model=str(model),
        actions="vocabulary",
        observation="tokens",
        **options,
    )
    return env.unwrapped
