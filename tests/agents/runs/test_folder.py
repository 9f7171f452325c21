import importlib.metadata
import json
import shutil

import pytest
import torch
import yaml

from agents.config.loading import UserError
from agents.runs.files import write_text
from agents.runs.folder import open_run, read_config, versions
from agents.runs.manifest import facts, write_listed
from lm_envs.model.kernels import build
from tests.agents.finished_run import CONFIG, changed


def test_a_new_folder_holds_the_configuration_and_versions(tmp_path):
    assert not open_run(CONFIG, tmp_path / "run", resume=False)
    assert read_config(tmp_path / "run") == CONFIG
    assert "torch" in json.loads((tmp_path / "run" / "versions.json").read_text())


def test_a_checkout_without_installed_metadata_has_a_version(monkeypatch):
    """Regression: `agents.train` in a clone stopped with "No package metadata was found"."""
    find = importlib.metadata.Distribution.from_name

    def hide(name):
        if name == "lm_envs":
            raise importlib.metadata.PackageNotFoundError(name)
        return find(name)

    monkeypatch.setattr(importlib.metadata.Distribution, "from_name", hide)
    assert versions()["lm_envs"] == "0.1.0+checkout"


def test_versions_name_the_gpu_the_kernels_and_the_threads(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "NVIDIA H100")
    found = versions()
    assert (found["device"], found["gpu"]) == ("cuda", "NVIDIA H100")
    assert found["threads"] == str(torch.get_num_threads())
    assert found["kernels"].startswith(("own", "PyTorch's"))
    assert {"cuda", "driver"} < set(found)


def test_a_folder_without_logs_may_be_used_again(tmp_path):
    for _ in range(2):
        open_run(CONFIG, tmp_path / "run", resume=False)


def test_a_configuration_stored_before_imports_existed_is_the_same(tmp_path):
    values = CONFIG.model_dump()
    del values["imports"]
    write_text(tmp_path / "run" / "config.yaml", yaml.safe_dump(values))
    write_text(tmp_path / "run" / "checkpoint.pt", "")
    assert open_run(CONFIG, tmp_path / "run", resume=True)


def test_a_resumed_run_may_change_its_schedule_only(tmp_path):
    open_run(CONFIG, tmp_path / "run", resume=False)
    open_run(changed(checkpoint_every=64), tmp_path / "run", resume=True)
    with pytest.raises(UserError, match=r"seed=1 \(stored: 0\)"):
        open_run(changed(seed=1), tmp_path / "run", resume=True)


@pytest.mark.parametrize("missing", ["config.yaml", "checkpoint.pt"])
def test_resuming_without_a_file_of_the_run_changes_nothing(tmp_path, missing):
    """Regression: the run was started at step 0, its log deleted and its checkpoint overwritten."""
    folder = tmp_path / "run"
    open_run(CONFIG, folder, resume=False)
    step = CONFIG.checkpoint_every
    write_text(folder / "metrics.jsonl", json.dumps({"step": step}) + "\n")
    write_text(folder / "checkpoint.pt", "weights")
    (folder / missing).unlink()
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(UserError, match=f"Got --resume, but .* has no {missing}, which its other"):
        open_run(CONFIG, folder, resume=True)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_resume_appends_to_the_versions_and_warns_of_other_kernels(tmp_path, monkeypatch):
    """Regression: a resume overwrote them."""
    folder = tmp_path / "run"
    open_run(CONFIG, folder, resume=False)
    first = json.loads((folder / "versions.json").read_text())
    monkeypatch.setattr(build, "status", lambda: "PyTorch's: changed")
    with pytest.warns(UserWarning, match=r"goes on with kernels .* -> PyTorch's: changed: its"):
        open_run(CONFIG, folder, resume=True)
    document = json.loads((folder / "versions.json").read_text())
    assert document["resumes"][0].pop("kernels") == "PyTorch's: changed"
    assert {name: document[name] for name in first} == first
    open_run(CONFIG, folder, resume=True)
    assert len(json.loads((folder / "versions.json").read_text())["resumes"]) == 2


def test_a_resume_with_other_weights_changes_nothing(tmp_path, checkpoint):
    model = shutil.copytree(checkpoint, tmp_path / "model")
    env = CONFIG.env.model_copy(update={"kwargs": {"model": str(model)}})
    open_run(changed(env=env), tmp_path / "run", resume=False)
    before = (tmp_path / "run" / "versions.json").read_bytes()
    weights = (model / "model.safetensors").read_bytes()
    (model / "model.safetensors").write_bytes(weights[:-1] + b"x")
    with pytest.raises(UserError, match=r"model\.safetensors has changed"):
        open_run(changed(env=env), tmp_path / "run", resume=True)
    assert (tmp_path / "run" / "versions.json").read_bytes() == before


@pytest.mark.parametrize("content", ["[", "[]", '{"resumes": 3}'])
def test_damaged_versions_are_named(tmp_path, content):
    open_run(CONFIG, tmp_path / "run", resume=False)
    (tmp_path / "run" / "versions.json").write_text(content)
    with pytest.raises(UserError, match=r"Got a damaged .*versions\.json; delete it"):
        open_run(CONFIG, tmp_path / "run", resume=True)


def test_the_best_checkpoint_replaces_the_last(tmp_path):
    folder = tmp_path / "run"
    open_run(CONFIG, folder, resume=False)
    write_listed(folder / "best.pt", lambda path: path.write_bytes(b"best"), {"step": 64})
    write_listed(folder / "checkpoint.pt", lambda path: path.write_bytes(b"last"), {"step": 128})
    assert open_run(CONFIG, folder, resume=True, checkpoint="best")
    assert (folder / "checkpoint.pt").read_bytes() == b"best"
    assert facts(folder / "checkpoint.pt")["step"] == 64
    with pytest.raises(ValueError, match="Got checkpoint='best'; allowed: 'last'"):
        open_run(CONFIG, tmp_path / "new", resume=False, checkpoint="best")
