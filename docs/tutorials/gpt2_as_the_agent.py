"""
GPT-2 as the agent
==================

So far the language model was frozen and a small network chose among its tokens. Here the language
model is the policy: its own parameters are trained by plain PPO of Stable-Baselines3. It sees the
token ids of the text, and its action is any token of the vocabulary.
"""

# %%
# The environment of a language-model policy
# ------------------------------------------

import gymnasium as gym

import lm_envs  # noqa: F401 - registers the ids

env = gym.make("lm_envs/NextWord-v0", actions="vocabulary", observation="tokens")
print(env.action_space)
print(env.observation_space)

# %%
# A run in stages
# ---------------
#
# ``agents.finetune`` measures the model as it is (``base``), trains it on the references of the
# training split (``warm_start``), and then reinforces it with a KL penalty against the frozen
# model. In a file this is ``configs/next_word_lm_ppo.yaml``; here the same keys with a budget of
# seconds.

import tempfile
from pathlib import Path

from agents.config.finetune import FinetuneConfig
from agents.finetune import finetune

STEPS = 2_048
WARM_START = 10
EPISODES = 16

config = FinetuneConfig.model_validate(
    {
        "name": "tutorial",
        "env": {"id": "lm_envs/NextWord-v0", "n_envs": 16, "kwargs": {"max_new_tokens": 16}},
        "warm_start": {"steps": WARM_START, "learning_rate": 3.0e-5, "batch_size": 16},
        "kl": {"coefficient": 0.02, "target": 0.1},
        "algorithm": {
            "name": "PPO",
            "kwargs": {
                "n_steps": 32,
                "batch_size": 128,
                "n_epochs": 2,
                "learning_rate": 1.0e-4,
                "gamma": 1.0,
                "vf_coef": 0.1,
            },
        },
        "total_timesteps": STEPS,
        "evaluation": {"split": "validation", "episodes": EPISODES, "every": STEPS},
        "checkpoint_every": STEPS,
    }
)
runs = Path(tempfile.mkdtemp())
result = finetune(config, runs)
for stage, measures in result["stages"].items():
    low, high = measures["reward"]["interval"]
    print(f"{stage}: reward {measures['reward']['mean']:.3f} ({low:.3f} … {high:.3f})")

# %%
# Seconds do not make a better model; three seeds of the full configuration are in
# :doc:`/results/index`. The samples of each stage, on prompts that were not selected:

print((Path(result["run"]) / "samples.md").read_text()[:900])

# %%
# The model is a folder of transformers
# -------------------------------------

from transformers import GPT2LMHeadModel

print(f"{GPT2LMHeadModel.from_pretrained(result['model']).num_parameters():,} parameters")
trained = gym.make("lm_envs/NextWord-v0", model=result["model"])
print(trained.reset(seed=0)[1]["prompt"])

# %%
# Without a checkout's ``agents`` package, any algorithm with a policy for ``Dict(tokens, length)``
# can train on these spaces; ``action_masks()`` tells MaskablePPO which tokens are candidates.
#
# What to try next, all keys of the same file (:doc:`/commands`): ``advantage: group`` (GRPO) or
# ``rloo`` in place of a critic, ``mask`` (NLPO), ``lora``, ``bfloat16`` and gradient checkpointing.
#
# .. code-block:: sh
#
#    python -m agents.finetune configs/next_word_lm_ppo.yaml --seed 1
#    python -m agents.finetune_report runs/next_word_lm_ppo-s0 runs/next_word_lm_ppo-s1
#
# Two other ways to change the model's parameters: ``python -m agents.distill RUN`` teaches it
# what an agent chooses, and ``python -m agents.loop`` repeats that.
