import signal
import subprocess
import sys
import time
import zipfile

import numpy as np
import pytest
import torch

from agents.algorithms.factory import make_algorithm, make_training_env
from agents.config.loading import UserError
from agents.runs import checkpoints
from agents.runs.files import write_text
from lm_envs import storage
from tests.agents.finished_run import CONFIG, changed


@pytest.fixture
def model():
    return make_algorithm(CONFIG, make_training_env(CONFIG), None)


@pytest.fixture
def path(tmp_path, model):
    """A checkpoint of an agent that has written some episodes."""
    model.learn(64)
    checkpoints.save(model, tmp_path / "c.pt", {"seconds": 12.5, "loss": np.float32(0.5)})
    return tmp_path / "c.pt"


def test_notes_come_back_as_plain_values(model, path):
    assert checkpoints.restore(model, path) == {"seconds": 12.5, "loss": 0.5}


def test_an_entropy_coefficient_comes_back(tmp_path):
    """Regression: it lies outside every network, and was left out of checkpoints."""
    algorithm = CONFIG.algorithm.model_copy(update={"name": "SAC", "kwargs": {"buffer_size": 9}})
    env = CONFIG.env.model_copy(update={"kwargs": {"actions": "embedding"}})
    config = changed(algorithm=algorithm, env=env)
    learned, fresh = (make_algorithm(config, make_training_env(config), None) for _ in range(2))
    with torch.no_grad():
        learned.log_ent_coef.fill_(-3.0)
    learned.get_env().reset()
    checkpoints.save(learned, tmp_path / "c.pt")
    checkpoints.restore(fresh, tmp_path / "c.pt")
    assert fresh.log_ent_coef.item() == -3.0


def test_a_random_search_goes_on_from_the_weights_that_come_back(tmp_path):
    """Regression: it keeps a copy outside its policy, and would have moved on from its first."""
    named = {"name": "ARS", "policy": "LinearPolicy", "kwargs": {"zero_policy": False}}
    config = changed(algorithm=CONFIG.algorithm.model_copy(update=named))
    learned, fresh = (make_algorithm(config, make_training_env(config), None) for _ in range(2))
    learned.learn(1)
    checkpoints.save(learned, tmp_path / "c.pt")
    checkpoints.restore(fresh, tmp_path / "c.pt")
    for agent in (learned, fresh):
        checkpoints.restore(agent, tmp_path / "c.pt")
        agent.learn(1, reset_num_timesteps=False)
    assert torch.equal(fresh.weights, learned.weights)


def test_a_damaged_checkpoint_is_refused_in_one_line(tmp_path):
    (tmp_path / "c.pt").write_bytes(b"no checkpoint")
    model = make_algorithm(CONFIG, make_training_env(CONFIG), None)
    with pytest.raises(UserError, match="Got an unreadable"):
        checkpoints.restore(model, tmp_path / "c.pt")


def test_recent_episodes_come_back(model, path):
    """Regression: the mean reward of recent episodes began anew when a run was resumed."""
    fresh = make_algorithm(CONFIG, make_training_env(CONFIG), None)
    checkpoints.restore(fresh, path)
    assert len(fresh.ep_info_buffer) > 0
    assert fresh.ep_info_buffer == model.ep_info_buffer
    assert fresh.ep_info_buffer.maxlen == model.ep_info_buffer.maxlen
    assert fresh.num_timesteps == 64


def test_random_states_come_back(model, path):
    checkpoints.restore(model, path)
    drawn = np.random.random(), torch.rand(1)
    checkpoints.restore(model, path)
    assert (np.random.random(), torch.rand(1)) == drawn


def test_parameters_alone_change_nothing_else(path):
    fresh = make_algorithm(CONFIG, make_training_env(CONFIG), None)
    checkpoints.load_parameters(fresh, path)
    assert fresh.num_timesteps == 0


def test_a_checkpoint_that_holds_code_is_not_run(tmp_path, model):
    path = tmp_path / "evil.pt"

    class Evil:
        def __reduce__(self):
            return exec, ("raise SystemExit('executed')",)

    torch.save({"parameters": Evil()}, path)
    with pytest.raises(Exception, match="Weights only load failed"):
        checkpoints.load_parameters(model, path)


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "c.txt"
    write_text(path, "old")

    def fail(temporary):
        temporary.write_text("ne")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        storage.write_atomically(path, fail)
    assert [file.name for file in tmp_path.iterdir()] == ["c.txt"]
    assert path.read_text() == "old"


def test_a_write_reaches_the_folder_too(tmp_path, monkeypatch):
    """Regression: only the file was synchronized, so a power cut could undo the rename."""
    synced = []
    monkeypatch.setattr(storage.os, "fsync", lambda number: synced.append(storage.os.fstat(number)))
    write_text(tmp_path / "c.txt", "text")
    assert [status.st_ino for status in synced] == [
        (tmp_path / "c.txt").stat().st_ino,
        tmp_path.stat().st_ino,
    ]


@pytest.mark.slow
def test_a_kill_during_saves_never_tears_the_checkpoint(tmp_path):
    code = (
        "import sys, torch\n"
        "from pathlib import Path\n"
        "from lm_envs.storage import write_atomically\n"
        "state = {'w': torch.zeros(2_000_000)}\n"
        "print('go', flush=True)\n"
        "while True: write_atomically(Path(sys.argv[1]), lambda p: torch.save(state, p))\n"
    )
    path = tmp_path / "c.pt"
    rng = np.random.default_rng(0)
    for _ in range(25):
        child = subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE)
        child.stdout.readline()
        time.sleep(0.25 + rng.random() * 0.2)
        child.send_signal(signal.SIGKILL)
        child.wait()
        assert zipfile.ZipFile(path).testzip() is None
