"""The configuration of a finetuning run small enough for tests."""

from agents.config.finetune import FinetuneConfig

VALUES = {
    "name": "test",
    "env": {
        "id": "lm_envs/NextWord-v0",
        "n_envs": 4,
        "kwargs": {"max_new_tokens": 5, "prompt_tokens": 6},
    },
    "warm_start": {"steps": 2, "batch_size": 4},
    "value_warm_up": 32,
    "algorithm": {
        "name": "PPO",
        "kwargs": {"n_steps": 8, "batch_size": 16, "n_epochs": 1, "device": "cpu"},
    },
    "total_timesteps": 96,
    "evaluation": {"episodes": 4, "every": 32},
    "checkpoint_every": 32,
}


def small_config(checkpoint, **updates):
    """The configuration on a checkpoint's model."""
    env = {**VALUES["env"], "kwargs": {**VALUES["env"]["kwargs"], "model": str(checkpoint)}}
    return FinetuneConfig.model_validate({**VALUES, "env": env, **updates})
