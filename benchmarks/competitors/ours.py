"""Our own generators in `throughput`: environment, bare engine, PPO's rollout, single environments.

Owns how each is built. Knows nothing of clocks.
"""

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode

import lm_envs
from benchmarks.harness.models import passages_file
from benchmarks.harness.processes import GenerateFn, GenerationJob
from lm_envs.model import loading
from lm_envs.model.engine import Engine

gym.register_envs(lm_envs)

ENV = "lm_envs/NextWord-v0"
CANDIDATES = 16
"""The environment's default number of candidates."""


def environment(job: GenerationJob, **options: Any) -> GenerateFn:  # noqa: ANN401 - the environment's
    """Greedy episodes of all rows through the public vector environment; zero tokens is a reset."""
    env = gym.make_vec(
        ENV,
        num_envs=job.num_rows,
        autoreset_mode=AutoresetMode.DISABLED,
        **_env_options(job) | options,
    )
    actions = np.zeros(job.num_rows, np.int64)
    mask = np.ones(job.num_rows, bool)
    env.reset(seed=0)

    def generate(num_tokens: int) -> None:
        env.reset(options={"reset_mask": mask})
        terminated = ~mask
        for _ in range(num_tokens):
            if terminated.any():  # the end of text was chosen: start again, as training would
                env.reset(options={"reset_mask": terminated})
            _, _, terminated, _, _ = env.step(actions)

    return generate


def environment_int8_cache(job: GenerationJob) -> GenerateFn:
    """As `environment`, with keys and values in 8 bits."""
    return environment(job, cache_dtype="int8")


def rollout(job: GenerationJob) -> GenerateFn:
    """PPO's rollout with Stable-Baselines3's default policy, which chooses among the candidates."""
    # Here, because the engine alone is measured on machines without it too.
    from stable_baselines3 import PPO

    from lm_envs.sb3 import make_language_vec_env

    env = make_language_vec_env(ENV, job.num_rows, 0, **_env_options(job))
    steps = job.num_rows * job.new
    agent = PPO("MlpPolicy", env, n_steps=job.new, batch_size=steps, seed=0)
    _, callback = agent._setup_learn(steps)  # `learn` calls it before its first rollout

    def generate(num_tokens: int) -> None:
        agent.collect_rollouts(env, callback, agent.rollout_buffer, num_tokens)

    return generate


def single_environments(job: GenerationJob) -> GenerateFn:
    """N single environments, stepped one after another by Stable-Baselines3's `DummyVecEnv`."""
    from stable_baselines3.common.vec_env import DummyVecEnv

    options = _env_options(job)
    env = DummyVecEnv([lambda: gym.make(ENV, **options)] * job.num_rows)
    env.seed(0)
    actions = np.zeros(job.num_rows, np.int64)

    def generate(num_tokens: int) -> None:
        env.reset()
        for _ in range(num_tokens):
            env.step(actions)

    return generate


def engine(job: GenerationJob) -> GenerateFn:
    """Greedy generation by the bare engine."""
    return greedy(make_engine(job), job)


def greedy(bare: Engine, job: GenerationJob) -> GenerateFn:
    """Greedy generation by an engine; zero tokens is a prefill of all rows."""
    prompts = list(job.random_prompts())

    def generate(num_tokens: int) -> None:
        outputs = bare.prefill(np.arange(job.num_rows), prompts)
        for _ in range(num_tokens):
            outputs = bare.decode(outputs.candidates[:, 0])

    return generate


def make_engine(job: GenerationJob, *, deterministic: bool = False) -> Engine:
    """An engine as `environment` has it."""
    network = loading.load(job.folder, "auto", job.dtype, deterministic=deterministic)
    return Engine(
        network,
        job.num_rows,
        capacity=job.prompt + job.new,
        num_candidates=CANDIDATES,
        end_token=network.config.vocab_size - 1,
    )


def _env_options(job: GenerationJob) -> dict[str, Any]:
    """Arguments of the measured environment."""
    return {
        "model": str(job.folder),
        "dtype": job.dtype,
        "dataset": str(passages_file(job.prompt)),
        "prompt_tokens": job.prompt,
        "max_new_tokens": job.new,
        "rewards": {"fluency": 1.0},
        "prompt_cache": 0,  # prompts repeat, and no competitor may cache them
    }
