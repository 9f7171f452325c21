"""
Your own reward
===============

``rewards={score: weight}``: a score is a name of the library, or a function of yours. This tutorial
pays an agent for enumerations, and shows what it does to earn that.
"""

# %%
# A function
# ----------
#
# It is called once for all rows with their texts, and returns one number for each. It takes the
# arguments that it names: ``prompts``, ``completions``, ``references``, and the columns of your
# file. With the argument ``text`` in place of ``completions`` it is called for one text at a time.

import gymnasium as gym

import lm_envs  # noqa: F401 - registers the ids


def enumerates(completions, **columns):
    """Returns a third for each comma of a text, at most 1."""
    return [min(1.0, text.count(",") / 3) for text in completions]


env = gym.make("lm_envs/NextWord-v0", rewards={"fluency": 1.0, enumerates: 1.0, "repetition": 0.0})
env.reset(seed=0)
is_over = False
while not is_over:
    *_, terminated, truncated, info = env.step(0)
    is_over = terminated or truncated
print(info["text"])
print(info["scores"])

# %%
# ``fluency`` and ``enumerates`` have the weight 1; ``repetition`` has the weight 0, so that it is
# logged and not paid. A negative weight makes a penalty. An empty text scores 0 without a call, and
# a function that raises or returns a NaN stops the step with an error that names it.
#
# An agent that is paid by it
# ---------------------------
#
# Each step earns how far it raised the text's score. With ``dense=False`` the last step earns the
# whole score instead; the sum is the same.

from stable_baselines3 import PPO

from lm_envs.sb3 import make_language_vec_env

STEPS = 20_000
SETTINGS = {"rewards": {"fluency": 1.0, enumerates: 1.0, "repetition": 0.0}, "max_new_tokens": 16}

envs = make_language_vec_env("lm_envs/NextWord-v0", n_envs=64, seed=0, **SETTINGS)
agent = PPO("MlpPolicy", envs, n_steps=16, batch_size=512, gamma=1.0, ent_coef=0.003, seed=0)
agent.learn(STEPS)

# %%
# Texts of the agent on held-out prompts, and the mean of each score over all of them:

import numpy as np

held_out = make_language_vec_env(
    "lm_envs/NextWord-v0", n_envs=32, seed=1, split="validation", **SETTINGS
)


def texts_of(choose):
    """Returns the final infos of one episode a row."""
    observations, infos = held_out.reset(), {}
    while len(infos) < held_out.num_envs:
        observations, _, dones, steps = held_out.step(choose(observations))
        for row in np.flatnonzero(dones):
            infos.setdefault(row, steps[row])
    return [infos[row] for row in sorted(infos)]


policies = {
    "greedy": lambda observations: np.zeros(len(observations), np.int64),
    "agent": lambda observations: agent.predict(observations, deterministic=True)[0],
}
for name, choose in policies.items():
    infos = texts_of(choose)
    means = {key: np.mean([each["scores"][key] for each in infos]) for key in infos[0]["scores"]}
    print(name, {key: round(float(mean), 3) for key, mean in means.items()})
    for each in infos[:3]:
        print("  ", repr(each["text"]))

# %%
# Read the texts before you trust the number: a reward is a proxy, and an agent that is paid for
# commas has no reason to enumerate anything. Higher weights of ``fluency``, a penalty for
# ``repetition``, or fewer candidates hold it closer to the language model.
#
# Other rewards
# -------------
#
# * In a file: ``rewards={"my_module:enumerates": 1.0}``; in a configuration this needs
#   ``--trust-imports``.
# * ``async def`` is allowed, for scores that wait for a server.
# * Ratings by people: ``python -m agents.rate``, then ``rewards={"preference:FILE": 1.0}``
#   (:doc:`/rating`).
# * A score that needs the language model: a recipe of :doc:`/project/contributing`.
