"""
From laptop to GPU
==================

The same code runs on both. ``device="auto"``, the default, is CUDA where PyTorch finds it, else the
CPU; the variable ``LM_ENVS_DEVICE`` overrides it. This page measures what changes with the number
of rows, since that is what a larger device needs.
"""

# %%
# Where the model is
# ------------------

import gymnasium as gym
import torch

import lm_envs  # noqa: F401 - registers the ids

print("CUDA available:", torch.cuda.is_available())
env = gym.make("lm_envs/NextWord-v0", device="cpu", dtype="float32")
print(env.reset(seed=0)[1]["prompt"])

# %%
# Observations, rewards and infos are NumPy arrays on the host on every device: an agent need not
# know where the model is. A step copies one array of tokens to the device, and one of results
# back.
#
# More rows
# ---------
#
# One row at a time wastes a device. A batch advances all rows with one forward pass:

import time

import numpy as np

ROWS = (1, 8, 64)
STEPS = 48

rates = {}
for rows in ROWS:
    envs = gym.make_vec("lm_envs/NextWord-v0", num_envs=rows, autoreset_mode="same_step")
    envs.reset(seed=0)
    actions = np.zeros(rows, np.int64)
    envs.step(actions)  # the first step compiles or loads kernels
    start = time.perf_counter()
    for _ in range(STEPS):
        envs.step(actions)
    rates[rows] = rows * STEPS / (time.perf_counter() - start)
for rows, rate in rates.items():
    print(f"{rows:3} rows: {rate / rates[1]:5.1f} times the steps per second of one row")

# %%
# Only the ratio is shown: the machine that builds this page may be busy. On one H100
# (``python -m benchmarks gpu``) 124 million parameters write 1,882 tokens/s with one row and
# 239,051 with 256: 127 times as many. :doc:`/performance` has all figures, with what fell short.
#
# What to change
# --------------
#
# * **Rows**: 256 to 1,024 on a data-center card. Keep ``n_steps`` times rows, the size of a
#   rollout, constant at first.
# * **Type**: bfloat16 is the default on CUDA, float32 on the CPU. Rewards are computed from
#   log-probabilities that are rounded to four decimals, but a run on another device or in another
#   type is another run.
# * **The agent's device**: the networks of ``agents.train`` are on the CPU, where small ones are
#   often faster; the updates then limit the rate. ``algorithm.kwargs.device: cuda`` moves them. A
#   policy of ``agents.finetune`` is on the environment's device.
# * **A model that fits**: ``cache_dtype="int8"`` halves the KV cache; for ``agents.finetune``
#   ``bfloat16: true`` and ``gradient_checkpointing: true``.
#
# .. code-block:: sh
#
#    python -m agents.train configs/next_word_ppo.yaml \
#      --set env.n_envs=512 --set env.kwargs.device=cuda
#    python -m benchmarks throughput --model gpt2-124m --n 256
#
# What stays the same
# -------------------
#
# On a CPU a row's numbers do not depend on the number of rows, bit for bit: row i of a batch
# replays the single environment seeded seed + i.

envs = gym.make_vec("lm_envs/NextWord-v0", num_envs=4, device="cpu")
single = gym.make("lm_envs/NextWord-v0", device="cpu")
batched, _ = envs.reset(seed=10)
alone, _ = single.reset(seed=12)
print("row 2 equals the environment seeded 12:", np.array_equal(batched[2], alone))
assert np.array_equal(batched[2], alone)
