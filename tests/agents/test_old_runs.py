"""Runs that version 0.1.0 wrote can be evaluated and resumed.

`data/old-s0` was written by commit a77e753: 64 steps of PPO with a CandidatePolicy.
"""

import json
import shutil
from pathlib import Path

import pytest

from agents.config.loading import load_config
from agents.config.train import TrainConfig
from agents.evaluate import evaluate
from agents.train import train

OLD = Path(__file__).parent / "data" / "old-s0"


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(OLD, tmp_path / "old-s0")


def last_reward(folder):
    lines = (folder / "metrics.jsonl").read_text().split("\n")
    return json.loads(lines[-2])["held_out"]["reward"]


def test_an_old_run_is_evaluated_with_the_same_reward(folder):
    """On the same four prompts the agent earns what the run's own log says."""
    episodes = evaluate([folder], "validation", 4)
    rewards = [transcript.scores["reward"] for transcript in episodes["agent"][0]]
    assert sum(rewards) / 4 == pytest.approx(last_reward(OLD), abs=1e-12)


def test_an_old_run_is_resumed(folder):
    config = load_config(TrainConfig, folder / "config.yaml", ["total_timesteps=128"])
    result = train(config, folder.parent, resume=True)
    assert result["steps"] == 128
    first = (folder / "metrics.jsonl").read_text().split("\n")[0]
    assert first == (OLD / "metrics.jsonl").read_text().split("\n")[0]
