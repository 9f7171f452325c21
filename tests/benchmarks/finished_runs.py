"""Configurations and finished runs of a sweep with chosen rewards, without training."""

from pathlib import Path

from agents.config.loading import load_config
from agents.config.train import TrainConfig
from benchmarks.learning import sweep

SMOKE = Path("configs/smoke.yaml")
QUICK = ["total_timesteps=128", "evaluation.every=128", "evaluation.episodes=4"]


def config(name="smoke", seed=0, algorithm="PPO", env="lm_envs/NextWord-v0", split="train"):
    names = [f"name={name}", f"seed={seed}", f"env.id={env}", f"env.split={split}"]
    kwargs = ["algorithm.kwargs={}", f"algorithm.name={algorithm}"]
    return load_config(TrainConfig, SMOKE, [*QUICK, *names, *kwargs])


def finished(rewards, pace=10.0, examples=50, baselines=None, **named):
    """A run with these held-out rewards, 100 steps and `pace` seconds apart."""
    log = [
        {"step": 100 * number, "seconds": pace * number, "held_out": {"reward": reward}}
        for number, reward in enumerate(rewards)
    ]
    result = {"baselines": baselines or {"random": 0.1, "greedy": 0.5}, "examples": examples}
    return sweep.Run(config(**named), log, result)
