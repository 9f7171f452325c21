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
from agents.runs.manifest import MANIFEST
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
    notes = checkpoints.restore(model, path)
    assert notes.pop("noise") == {}  # PPO without use_sde explores without it
    assert notes == {"seconds": 12.5, "loss": 0.5}


def test_a_run_of_a_version_without_discounts_goes_on_without_one(path):
    """The discount of a newer checkpoint comes back; an older one has none."""
    model = make_algorithm(CONFIG, make_training_env(CONFIG), None)
    env = model.get_env().vector_env
    env.gamma = 0.5
    checkpoints.restore(model, path)
    assert env.gamma == 0.99  # PPO's, when the checkpoint was written
    state = torch.load(path, weights_only=True)
    del state["gamma"]
    torch.save(state, path)
    (path.parent / MANIFEST).unlink()  # that version had no list of its checkpoints
    checkpoints.restore(model, path)
    assert env.gamma == 1.0


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


def damage(path, kind):
    content = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        largest = max(archive.infolist(), key=lambda info: info.file_size)
    place = content.index(b"PK", largest.header_offset + 4) - largest.file_size // 2
    flipped = content[:place] + bytes([content[place] ^ 16]) + content[place + 1 :]
    cut = content[: len(content) // 2]
    changed = {"zero": bytes(len(content)), "empty": b"", "cut": cut, "flipped": flipped}
    path.write_bytes(changed[kind])


@pytest.mark.parametrize("is_listed", [True, False])
@pytest.mark.parametrize("kind", ["zero", "empty", "cut", "flipped"])
def test_damage_of_any_kind_is_refused_without_advice_to_execute_the_file(
    model, path, kind, is_listed
):
    """Regression: a flipped bit was loaded as a weight."""
    damage(path, kind)
    if not is_listed:
        (path.parent / MANIFEST).unlink()
    with pytest.raises(UserError, match=r"Got an unreadable .*c\.pt .*restore it from") as refusal:
        checkpoints.restore(model, path)
    assert "weights_only" not in str(refusal.value)


@pytest.mark.parametrize("content", [[1, 2], {"parameters": {}}])
def test_another_file_of_tensors_is_no_checkpoint(tmp_path, model, content):
    torch.save(content, tmp_path / "c.pt")
    with pytest.raises(UserError, match=r"it has no '\w+', so it is no checkpoint"):
        checkpoints.load_parameters(model, tmp_path / "c.pt")


def tag_as_cuda(path):
    """Rewrites a checkpoint as if its tensors had been saved on a GPU."""
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, part in content.items():
            if name.endswith("data.pkl"):
                assert b"X\x03\x00\x00\x00cpu" in part
                part = part.replace(b"X\x03\x00\x00\x00cpu", b"X\x06\x00\x00\x00cuda:0")
            archive.writestr(name, part)
    (path.parent / MANIFEST).unlink()


def test_a_checkpoint_written_on_a_gpu_loads_without_one(model, path):
    """Regression: it was refused as unreadable, with the advice to begin another run."""
    expected = {name: value.clone() for name, value in model.policy.state_dict().items()}
    tag_as_cuda(path)
    fresh = make_algorithm(CONFIG, make_training_env(CONFIG), None)
    checkpoints.restore(fresh, path)
    for name, value in fresh.policy.state_dict().items():
        assert torch.equal(value, expected[name])


def pretend_generators(monkeypatch, count):
    """CUDA's generators of `count` devices, as a list of states."""
    states = [torch.full((16,), device, dtype=torch.uint8) for device in range(count)]
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.setattr(torch.cuda, "get_rng_state_all", lambda: [s.clone() for s in states])
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda s, device: states[device].copy_(s))
    return states


def test_random_states_of_cuda_devices_come_back(tmp_path, model, monkeypatch):
    """Regression: only the CPU's generator was saved, but a GPU samples by its own."""
    model.learn(64)  # before: optimizers of PyTorch for CUDA ask an available device
    states = pretend_generators(monkeypatch, 2)
    checkpoints.save(model, tmp_path / "c.pt")
    for state in states:
        state.fill_(99)
    checkpoints.restore(model, tmp_path / "c.pt")
    assert [state[0].item() for state in states] == [0, 1]
    pretend_generators(monkeypatch, 0)
    with pytest.warns(UserWarning, match="written with 2 CUDA devices, here are 0"):
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
    with pytest.raises(Exception, match="other than tensors and plain values, which are never"):
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
