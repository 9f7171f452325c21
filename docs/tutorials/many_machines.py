"""
To many machines
================

What exists today, and what does not. One process advances any number of rows, several processes can
work on one hyperparameter study, and seeds are independent runs. Nothing here trains one agent on
several GPUs or machines.
"""

# %%
# One process, many rows
# ----------------------
#
# ``SubprocVecEnv`` runs one environment a process, and each would load its own model. Rows of a
# batch share the model and one forward pass, so use ``make_vec`` or ``make_language_vec_env``
# instead:

import gymnasium as gym
import numpy as np

import lm_envs  # noqa: F401 - registers the ids

ROWS, STEPS = 8, 6

envs = gym.make_vec("lm_envs/NextWord-v0", num_envs=ROWS)
envs.reset(seed=0)
whole = np.stack([envs.step(np.zeros(ROWS, np.int64))[1] for _ in range(STEPS)])

# %%
# Cutting work into parts
# -----------------------
#
# Row i is seeded seed + i and draws from its own generator. So the rows of one batch can be
# computed in parts, in any process or on any machine with the same processor and versions, and
# the numbers are the same bit for bit on a CPU:

parts = []
for first in (0, ROWS // 2):
    part = gym.make_vec("lm_envs/NextWord-v0", num_envs=ROWS // 2)
    part.reset(seed=first)
    actions = np.zeros(ROWS // 2, np.int64)
    parts.append(np.stack([part.step(actions)[1] for _ in range(STEPS)]))
print("two halves equal the whole:", np.array_equal(np.concatenate(parts, axis=1), whole))
assert np.array_equal(np.concatenate(parts, axis=1), whole)

# %%
# Seeds and configurations
# ------------------------
#
# Runs are independent: start one a core or a machine, each in its own folder, and compare them
# afterwards. A folder is locked by its process, and a run that was killed continues exactly with
# ``--resume`` (:doc:`/reliability`).
#
# .. code-block:: sh
#
#    python -m agents.train configs/question_answering_ppo.yaml --seed 0
#    python -m agents.train configs/question_answering_ppo.yaml --seed 1
#    python -m agents.evaluate runs/question_answering_ppo-s0 runs/question_answering_ppo-s1
#    python -m benchmarks learning benchmarks/sweeps/next_word.yaml
#
# The last command trains several configurations and seeds in parallel processes of one machine.
#
# One study, several processes
# ----------------------------
#
# ``agents.tune`` stores its study in SQLite. The same command, started again or in several
# terminals, joins it; each trial trains in a process of its own, and a trial that fails is listed
# with its error. Machines can join if they share a disk whose file locks work.
#
# .. code-block:: sh
#
#    python -m agents.tune configs/question_answering_ppo.yaml \
#      --search configs/tune_question_answering.yaml --trials 30
#
# Several processes on one machine need one thread each: ``OMP_NUM_THREADS=1``.
#
# What does not exist
# -------------------
#
# * No agent is trained by several processes or machines together: no data-parallel updates and no
#   model that is divided among GPUs. ``agents.finetune`` uses one device.
# * Asynchronous stepping: a batch waits for its slowest row. Rows cost the same, since each
#   writes one token a step.
# * No scheduler: starting processes is up to you, or to Slurm and the like.
#
# Libraries that distribute Gymnasium environments can still run these ids, one batch a worker:
# see :doc:`/project/other_libraries` for scripts of CleanRL's style, TorchRL, Tianshou and skrl.
# Each worker then loads one copy of the model; in a remote process import ``lm_envs`` first, or
# write the id as ``"lm_envs:lm_envs/NextWord-v0"``, which imports it.
