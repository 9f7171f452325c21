"""The command `learning` from end to end."""

import json

import pytest
import typer
import yaml
from typer.testing import CliRunner

from agents.config.loading import load_config
from agents.config.train import TrainConfig
from benchmarks.learning import command, sweep
from tests.benchmarks.finished_runs import QUICK, SMOKE


@pytest.fixture
def run(tmp_path):
    """Runs the command in this process on a sweep of one quick configuration, whole and in part."""
    quick = tmp_path / "quick.yaml"
    quick.write_text(yaml.safe_dump(load_config(TrainConfig, SMOKE, QUICK).model_dump()))
    path = tmp_path / "sweep.yaml"
    runs = [{"config": str(quick), "seeds": [0], "shares": [1.0, 0.05]}]
    path.write_text(yaml.safe_dump({"threshold": 0.0, "runs": runs}))
    folders = ["--runs", str(tmp_path / "runs"), "--output", str(tmp_path / "out")]
    app = typer.Typer()
    app.command()(command.main)
    return lambda: CliRunner().invoke(app, [str(path), *folders])


def test_sweep_trains_once_and_is_then_loaded_from_its_folder(run, tmp_path, monkeypatch):
    first = run()
    assert first.exit_code == 0, first.output
    document = json.loads(first.stdout.splitlines()[-1])
    assert document["curves"]["smoke"]["steps"] == [0, 128]
    assert len(document["curves"]["smoke"]["seeds"]) == 1
    assert len(document["wall_clock"]["smoke"]["seconds"]) == 2
    assert set(document["profiles"]["algorithms"]) == {"PPO", "PPO-5pct"}
    few, whole = document["data_efficiency"]["smoke"]["examples"]
    assert few == pytest.approx(whole / 20, abs=1)
    assert all(row["seconds_to_threshold"] >= 0.0 for row in document["rows"])
    folder = tmp_path / "out" / "sweep"
    assert {path.name for path in folder.iterdir()} == {
        *("learning.json", "curves.png", "rewards.png", "wall_clock.png", "profiles.png"),
        "data_efficiency.png",
    }
    monkeypatch.setattr(sweep.subprocess, "run", None)
    again = json.loads(run().stdout.splitlines()[-1])
    assert {**again, "machine": None} == {**document, "machine": None}


def test_table_has_the_threshold_and_no_empty_columns():
    row = {"what": "ppo", "reward": 0.5, "interval": [0.4, 0.6], "examples": None}
    table = command.result_table({"threshold": 0.3, "rows": [row]})
    assert "threshold 0.3" in table.title
    assert [column.header for column in table.columns] == ["what", "reward", "interval"]
    assert list(table.columns[2].cells) == ["0.400 … 0.600"]
