import json

import numpy as np
import pytest
from stable_baselines3 import PPO

from agents.algorithms.factory import make_algorithm, make_evaluation_env, make_training_env
from agents.runs import logs
from agents.runs.callbacks import RunCallback, TrainingCallback, multiple_after
from agents.runs.checkpoints import BEST, CHECKPOINT
from tests.agents.finished_run import changed


class Quiet(RunCallback):
    """The base class with its abstract nothing added."""

    evaluates_at_start = False


def trained(kind, folder, **updates):
    """Steps of evaluations, steps at saves, and the agent, after training with a callback."""
    config = changed(total_timesteps=192, **updates)
    saved = []

    class Recording(kind):
        def save(self):
            super().save()
            saved.append(self.num_timesteps)

    agent: PPO = make_algorithm(config, make_training_env(config), None)
    agent.set_logger(logs.make_logger(folder))
    agent.learn(192, Recording(config, folder, make_evaluation_env(config, "validation", 4)))
    path = folder / "metrics.jsonl"
    rows = [json.loads(line) for line in path.open()] if path.exists() else []
    return [row["step"] for row in rows], saved, agent


@pytest.mark.parametrize(
    ("step", "every", "expected"), [(0, 64, 64), (63, 64, 64), (64, 64, 128), (130, 64, 192)]
)
def test_the_next_multiple_lies_after_the_step(step, every, expected):
    assert multiple_after(step, every) == expected


def test_evaluations_and_saves_fall_between_rollouts(tmp_path):
    evaluated, saved, _ = trained(Quiet, tmp_path)
    assert (evaluated, saved) == ([64, 128], [128])
    assert (tmp_path / CHECKPOINT).is_file()


def test_a_training_run_is_evaluated_and_saved_at_its_end_too(tmp_path):
    evaluated, saved, _ = trained(TrainingCallback, tmp_path)
    assert (evaluated, saved) == ([0, 64, 128, 192], [128, 192])


def test_a_reached_target_stops_after_one_unused_step(tmp_path):
    evaluated, saved, agent = trained(Quiet, tmp_path, stop_at_reward=-np.inf)
    assert (evaluated, saved) == ([64], [64])
    assert agent.num_timesteps == 68


def test_a_checkpoint_at_the_step_of_the_best_one_is_its_copy(tmp_path):
    trained(Quiet, tmp_path, stop_at_reward=-np.inf)
    assert (tmp_path / CHECKPOINT).read_bytes() == (tmp_path / BEST).read_bytes()
    listed = json.loads((tmp_path / "checkpoints.json").read_text())
    assert [listed[name][0]["step"] for name in (CHECKPOINT, BEST)] == [64, 64]
