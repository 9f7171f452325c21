"""Trackers: what third-party packages get. The packages are optional, so recorders stand in."""

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from types import ModuleType

import pytest

from agents.runs.tracking import TRACKERS, check_tracker, log_metrics, numbers, start_tracker
from agents.train import train
from tests.agents.finished_run import changed

ROW = {"step": 64, "training_reward": None, "stage": "base", "held_out": {"reward": 0.5, "n": 3}}
EXTERNAL = TRACKERS[1:]


class Recorder(ModuleType):
    """A package whose every function records its calls, and returns the package."""

    def __init__(self, name):
        super().__init__(name)
        self.calls = []

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)

        def record(*args, **kwargs):
            self.calls.append((name, args, kwargs))
            return self

        return record


@pytest.fixture
def package(monkeypatch, request):
    for name in ("WANDB_MODE", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    recorder = Recorder(request.param)
    monkeypatch.setitem(sys.modules, request.param, recorder)
    return recorder


def test_nested_keys_are_joined_and_other_values_left_out():
    assert numbers(ROW) == {"held_out/reward": 0.5, "held_out/n": 3}


@pytest.mark.parametrize("package", EXTERNAL, indirect=True)
def test_each_package_gets_the_numbers_of_metrics_jsonl_under_their_step(package, tmp_path):
    tracker = start_tracker(package.__name__, tmp_path / "test-s0", {"seed": 0, "env": {"n": 4}})
    (tmp_path / "test-s0").mkdir()
    log_metrics(tmp_path / "test-s0", ROW, tracker)
    tracker.close()
    logged = [(args, kwargs) for name, args, kwargs in package.calls if name.startswith("log")]
    assert logged[-1] == ((numbers(ROW),), {"step": 64})
    assert package.calls[-1][0] in ("finish", "end_run")
    assert json.loads((tmp_path / "test-s0" / "metrics.jsonl").read_text()) == ROW


@pytest.mark.parametrize("package", ["wandb"], indirect=True)
@pytest.mark.parametrize(("given", "mode"), [(None, "offline"), ("online", "online")])
def test_wandb_is_off_line_unless_its_variable_is_set(package, tmp_path, monkeypatch, given, mode):
    if given:
        monkeypatch.setenv("WANDB_MODE", given)
    start_tracker("wandb", tmp_path / "test-s0", {})
    _, _, options = package.calls[0]
    assert (options["mode"], options["name"]) == (mode, "test-s0")
    assert options["dir"] == str(tmp_path / "tracking")  # its links would spoil a run folder


@pytest.mark.parametrize("package", ["mlflow"], indirect=True)
def test_mlflow_writes_to_a_file_unless_its_variable_is_set(package, tmp_path, monkeypatch):
    start_tracker("mlflow", tmp_path / "test-s0", {"env": {"n": 4}})
    assert package.calls[0][1] == (f"sqlite:///{tmp_path / 'tracking' / 'mlflow.sqlite'}",)
    assert package.calls[-1][:2] == ("log_params", ({"env/n": 4},))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://server")
    package.calls.clear()
    start_tracker("mlflow", tmp_path / "test-s0", {})
    assert "set_tracking_uri" not in [name for name, _, _ in package.calls]


@pytest.mark.parametrize("package", ["wandb"], indirect=True)
def test_a_training_run_is_tracked_and_ended(package, tmp_path):
    train(changed(total_timesteps=64), tmp_path, track="wandb")
    logged = [kwargs["step"] for name, _, kwargs in package.calls if name == "log"]
    assert logged == [0, 64]
    assert package.calls[-1][0] == "finish"


def wandb_rewards(folder):
    """Reads a log of LevelDB's format: after 7 bytes, records with headers of 7 bytes."""
    from wandb.proto.wandb_internal_pb2 import Record

    (path,) = folder.glob("tracking/wandb/offline-run-*/run-*.wandb")
    content, start, rewards = path.read_bytes(), 7, {}
    assert len(content) < 2**15  # one block, in which records are whole
    while start < len(content):
        end = start + 7 + int.from_bytes(content[start + 4 : start + 6], "little")
        record = Record()
        record.ParseFromString(content[start + 7 : end])
        start = end
        items = {each.key or "/".join(each.nested_key): each for each in record.history.item}
        if REWARD in items:
            rewards[record.history.step.num] = json.loads(items[REWARD].value_json)
    return rewards


def mlflow_rewards(folder):
    with closing(sqlite3.connect(folder / "tracking" / "mlflow.sqlite")) as base:
        return dict(base.execute("select step, value from metrics where key = ?", (REWARD,)))


def trackio_rewards(folder):
    with closing(sqlite3.connect(folder / "trackio" / "lm_envs.db")) as base:
        rows = base.execute("select step, metrics from metrics").fetchall()
    return {step: json.loads(metrics)[REWARD] for step, metrics in rows}


REWARD = "held_out/reward"
READERS = {"wandb": wandb_rewards, "mlflow": mlflow_rewards, "trackio": trackio_rewards}


@pytest.mark.parametrize("name", EXTERNAL)
def test_an_installed_package_stores_the_rewards_of_a_run_off_line(
    name, tmp_path, monkeypatch, capfd
):
    """Runs where the package is installed, in an environment of its own."""
    pytest.importorskip(name, reason=f"{name} is optional: pip install {name}")
    for variable in ("WANDB_MODE", "MLFLOW_TRACKING_URI", "TRACKIO_SPACE_ID"):
        monkeypatch.delenv(variable, raising=False)
    program = (
        "import sys, pathlib; from agents.train import train; "
        "from tests.agents.finished_run import changed; "
        "train(changed(total_timesteps=64), pathlib.Path(sys.argv[1]), track=sys.argv[2])"
    )
    # A process of its own: the packages read their variables when they are imported.
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    subprocess.run([sys.executable, "-c", program, str(tmp_path), name], check=True)
    assert capfd.readouterr().out == ""
    rows = [json.loads(line) for line in (tmp_path / "test-s0" / "metrics.jsonl").open()]
    expected = {row["step"]: pytest.approx(row["held_out"]["reward"]) for row in rows}
    assert READERS[name](tmp_path) == expected


@pytest.mark.parametrize("name", EXTERNAL)
def test_a_missing_package_is_refused_with_the_line_that_installs_it(name, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ModuleNotFoundError, match=f"--track {name}.*`pip install {name}`"):
        train(changed(), tmp_path, track=name)
    assert not list(tmp_path.iterdir())


def test_an_unknown_tracker_is_refused():
    with pytest.raises(ValueError, match=r"Got track='excel'; allowed: 'tensorboard', 'wandb'"):
        check_tracker("excel")
