"""A finished run of one update, which tests push; its folder is made once."""

from agents.train import train
from tests.agents.finished_run import changed


def finished_run(runs):
    """Trains for one update; returns the run folder."""
    train(changed(total_timesteps=64), runs)
    return runs / "test-s0"
