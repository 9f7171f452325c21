"""Our own contestants: the environment, the bare engine, agents that roll out, single environments.

Owns how each is built. Knows nothing of clocks.
"""

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv

import lm_envs
from benchmarks.harness.models import passages
from benchmarks.harness.processes import Job, Writer
from lm_envs.model import loading
from lm_envs.model.engine import Engine
from lm_envs.sb3 import make_language_vec_env

gym.register_envs(lm_envs)

ENV = "lm_envs/NextWord-v0"
CANDIDATES = 16


def environment(job: Job, **options: Any) -> Writer:  # noqa: ANN401 - the environment's
    """EpisodeBuffer of every row, through the public vector environment; of no words, its reset."""
    env = gym.make_vec(
        ENV,
        num_envs=job.num_rows,
        autoreset_mode=AutoresetMode.DISABLED,
        **_options(job) | options,
    )
    actions = np.zeros(job.num_rows, np.int64)
    mask = np.ones(job.num_rows, bool)
    env.reset(seed=0)

    def write(words: int) -> None:
        env.reset(options={"reset_mask": mask})
        terminated = ~mask
        for _ in range(words):
            if terminated.any():  # the end of text was chosen: begin again, as training would
                env.reset(options={"reset_mask": terminated})
            _, _, terminated, _, _ = env.step(actions)

    return write


def with_8_bit_cache(job: Job) -> Writer:
    """The same with keys and values in 8 bits."""
    return environment(job, cache_dtype="int8")


def rollout(job: Job) -> Writer:
    """PPO's rollout with Stable-Baselines3's default policy, which chooses among the candidates."""
    env = make_language_vec_env(ENV, job.num_rows, 0, **_options(job))
    steps = job.num_rows * job.new
    agent = PPO("MlpPolicy", env, n_steps=job.new, batch_size=steps, seed=0)
    _, callback = agent._setup_learn(steps)  # what `learn` does before its first rollout

    def write(words: int) -> None:
        agent.collect_rollouts(env, callback, agent.rollout_buffer, words)

    return write


def single_environments(job: Job) -> Writer:
    """As many single environments, one after another, as Stable-Baselines3 does."""
    options = _options(job)
    env = DummyVecEnv([lambda: gym.make(ENV, **options)] * job.num_rows)
    env.seed(0)
    actions = np.zeros(job.num_rows, np.int64)

    def write(words: int) -> None:
        env.reset()
        for _ in range(words):
            env.step(actions)

    return write


def engine(job: Job) -> Writer:
    """The same tokens through the bare engine."""
    bare = engine_of(job)
    prompts = list(job.prompts())

    def write(words: int) -> None:
        outputs = bare.prefill(np.arange(job.num_rows), prompts)
        for _ in range(words):
            outputs = bare.decode(outputs.candidates[:, 0])

    return write


def engine_of(job: Job) -> Engine:
    """The engine that such an environment has."""
    network = loading.load(job.folder, "auto", job.dtype)
    return Engine(
        network,
        job.num_rows,
        capacity=job.prompt + job.new,
        num_candidates=CANDIDATES,
        end_token=network.config.vocab_size - 1,
    )


def _options(job: Job) -> dict[str, Any]:
    """Arguments of the environment that is measured."""
    return {
        "model": str(job.folder),
        "dtype": job.dtype,
        "dataset": str(passages(job.prompt)),
        "prompt_tokens": job.prompt,
        "max_new_tokens": job.new,
        "rewards": {"fluency": 1.0},
        "prompt_cache": 0,
    }
