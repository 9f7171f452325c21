"""
Your first agent in five minutes
================================

A frozen language model proposes the tokens that could come next. The agent chooses one of them, the
model reads it and proposes again. At the end the text is scored. This tutorial makes such an
environment, plays an episode by hand, trains PPO, and compares the agent with greedy decoding on
prompts that it never saw.
"""

# %%
# An episode by hand
# ------------------
#
# Importing ``lm_envs`` registers the ids. The default model comes with the package, so nothing is
# downloaded. Action 0 writes the token that the model finds most likely, action 1 the second, and
# so on; one of the 16 actions ends the text. An episode also ends after 24 tokens.

import gymnasium as gym

import lm_envs  # noqa: F401 - registers the ids

env = gym.make("lm_envs/NextWord-v0")
observation, info = env.reset(seed=0)
print("prompt:", info["prompt"])
total, is_over = 0.0, False
while not is_over:
    observation, reward, terminated, truncated, info = env.step(0)
    total += reward
    is_over = terminated or truncated
print("text:", info["text"])
print("reward:", round(total, 3))
print("scores:", {name: round(value, 3) for name, value in info["scores"].items()})

# %%
# The reward is a weighted sum of scores of the text. Each step earns how far it raised that sum, so
# the rewards of an episode add up to ``scores["reward"]``. Greedy decoding repeats itself, and the
# score ``repetition`` has a negative weight: there is something to learn.
#
# Training
# --------
#
# ``make_language_vec_env`` makes 64 rows that one model advances in one batch, as a ``VecEnv`` of
# Stable-Baselines3. ``gamma=1.0`` belongs to the rewards: with another discount, pass the same
# number to the environment (:doc:`/rewards`).

from stable_baselines3 import PPO

from lm_envs.sb3 import make_language_vec_env

STEPS = 12_000

envs = make_language_vec_env("lm_envs/NextWord-v0", n_envs=64, seed=0)
agent = PPO("MlpPolicy", envs, n_steps=24, batch_size=512, gamma=1.0, seed=0)
agent.learn(STEPS)

# %%
# What it learned
# ---------------
#
# ``split="validation"`` has prompts of documents that neither the agent nor the model has read.
# Greedy decoding is a policy too: it always chooses action 0.

import numpy as np
from stable_baselines3.common.evaluation import evaluate_policy

EPISODES = 128


class Greedy:
    """Always chooses the model's most likely token."""

    def predict(self, observations, state=None, episode_start=None, deterministic=True):
        """Returns action 0 for each row."""
        return np.zeros(len(observations), np.int64), state


def held_out_reward(policy):
    """Returns the mean reward over held-out prompts, and its standard error."""
    held_out = make_language_vec_env("lm_envs/NextWord-v0", n_envs=64, seed=1, split="validation")
    rewards, _ = evaluate_policy(
        policy, held_out, EPISODES, deterministic=True, return_episode_rewards=True
    )
    return np.mean(rewards), np.std(rewards) / len(rewards) ** 0.5


results = {"greedy decoding": held_out_reward(Greedy()), "the agent": held_out_reward(agent)}
for name, (mean, error) in results.items():
    print(f"{name}: {mean:.3f}, standard error {error:.3f}")

# %%

import matplotlib.pyplot as plt

figure, axes = plt.subplots(figsize=(6, 2.5), layout="constrained")
means, errors = zip(*results.values(), strict=True)
axes.barh(list(results), means, xerr=errors)
axes.set_xlabel("held-out reward, with standard error")
plt.show()

# %%
# So few steps do not yet give a good agent; the curve of a million steps is in the
# :doc:`gallery </results/gallery>`. From a checkout three commands train the candidate policy,
# which needs 200,000 steps, compare it with all baselines, and show an episode:
#
# .. code-block:: sh
#
#    python -m agents.train configs/next_word_ppo.yaml
#    python -m agents.evaluate runs/next_word_ppo-s0
#    python -m agents.enjoy runs/next_word_ppo-s0
#
# Next: :doc:`own_task`, :doc:`own_reward`, or the :doc:`list of environments
# </environments/index>`.
