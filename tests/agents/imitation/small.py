"""A finished run over a small model, and few steps of imitation."""

from agents.config.distill import ImitationConfig, LoopConfig
from agents.train import train
from tests.agents.finished_run import CONFIG, changed

FEW = ImitationConfig(prompts=12, steps=3, batch_size=4, n=2)


def small_config(checkpoint, **updates):
    """The configuration of a run over the checkpoint's model."""
    kwargs = {**CONFIG.env.kwargs, "model": str(checkpoint), "prompt_tokens": 6}
    env = CONFIG.env.model_copy(update={"kwargs": kwargs})
    return changed(env=env, total_timesteps=64, **updates)


def finished_run(checkpoint, runs, **updates):
    """Trains, and returns the run's folder and configuration."""
    config = small_config(checkpoint, **updates)
    train(config, runs)
    return runs / f"{config.name}-s{config.seed}", config


def small_loop(checkpoint, **updates):
    """Two rounds over the checkpoint's model."""
    values = {"name": "turns", "agent": small_config(checkpoint), "imitation": FEW, "rounds": 2}
    return LoopConfig(**{**values, **updates})
