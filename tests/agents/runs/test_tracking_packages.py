"""The trackers' own packages, where they are installed: what they wrote is read back, off line."""

import sqlite3

import pytest

from agents.train import train
from tests.agents.finished_run import changed

REASON = "{} is not installed; it is an optional tracker, see docs/commands.md"
STEPS = [0, 64]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def tracked_run(name, tmp_path, monkeypatch):
    """Trains for one update under a tracker; returns the folder of the trackers' files."""
    module = pytest.importorskip(name, reason=REASON.format(name))
    for variable in ("WANDB_MODE", "MLFLOW_TRACKING_URI", "TRACKIO_SPACE_ID"):
        monkeypatch.delenv(variable, raising=False)
    train(changed(total_timesteps=64), tmp_path, track=name)
    return module, tmp_path / "tracking"


def test_wandb_writes_an_offline_run(tmp_path, monkeypatch):
    _, folder = tracked_run("wandb", tmp_path, monkeypatch)
    (path,) = folder.glob("wandb/offline-run-*/run-*.wandb")
    assert b"held_out/reward" in path.read_bytes()


def test_mlflow_has_the_numbers_under_their_steps(tmp_path, monkeypatch):
    mlflow, folder = tracked_run("mlflow", tmp_path, monkeypatch)
    client = mlflow.MlflowClient(f"sqlite:///{folder / 'mlflow.sqlite'}")
    experiment = client.get_experiment_by_name("lm_envs")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.run_name == "test-s0"
    assert run.info.status == "FINISHED"
    assert run.data.params["env/n_envs"] == "4"
    history = client.get_metric_history(run.info.run_id, "held_out/reward")
    assert [point.step for point in history] == STEPS


def test_trackio_has_the_numbers_under_their_steps(tmp_path, monkeypatch):
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    tracked_run("trackio", tmp_path, monkeypatch)
    (path,) = (tmp_path / "trackio").rglob("lm_envs.db")
    with sqlite3.connect(path) as database:
        rows = database.execute("SELECT step, metrics FROM metrics ORDER BY step").fetchall()
    assert [step for step, _ in rows] == STEPS
    assert all("held_out/reward" in str(metrics) for _, metrics in rows)


def test_tensorboard_has_the_held_out_scores(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(changed(total_timesteps=64), tmp_path)
    events = EventAccumulator(str(tmp_path / "test-s0"))
    events.Reload()
    assert "eval/reward" in events.Tags()["scalars"]
