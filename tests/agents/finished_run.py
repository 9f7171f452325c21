"""A training run small enough for tests, ways for it to fail, and what it logged."""

import json

from agents.algorithms.factory import make_training_env
from agents.config.train import TrainConfig
from lm_envs.sb3 import LanguageVecEnv

CONFIG = TrainConfig.model_validate(
    {
        "name": "test",
        "env": {"id": "lm_envs/NextWord-v0", "n_envs": 4, "kwargs": {"max_new_tokens": 5}},
        "algorithm": {
            "name": "PPO",
            "kwargs": {"n_steps": 16, "batch_size": 32, "learning_rate": "lin_1.0e-3"},
        },
        "total_timesteps": 256,
        "evaluation": {"episodes": 6, "every": 64},
        "checkpoint_every": 128,
    }
)
"""Four updates; a checkpoint after the second and the last, an evaluation after each."""


def changed(**updates):
    return CONFIG.model_copy(update=updates)


class FailingEnv(LanguageVecEnv):
    """Rows that call `fail` with the rewards and infos of one chosen step."""

    def step_wait(self):
        observations, rewards, dones, infos = super().step_wait()
        self.steps = getattr(self, "steps", 0) + self.num_envs
        if self.steps == self.fails_at:
            self.fail(rewards, infos)
        return observations, rewards, dones, infos


def failing_at(step, fail):
    """Stands in for `make_training_env`; environment steps count from the process's start."""

    def make(config):
        env = FailingEnv.from_vector_env(make_training_env(config).vector_env)
        env.seed(config.seed)
        env.fails_at, env.fail = step, fail
        return env

    return make


def power_cut(rewards, infos):
    raise KeyboardInterrupt


def metrics(folder):
    """Rows of a run's log without the clock, which no two runs share."""
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").open()]
    return [{name: row[name] for name in row if name != "seconds"} for row in rows]
