import shutil

import pytest
import torch
import yaml

from agents.config.loading import UserError
from agents.runs.checkpoints import CHECKPOINT
from agents.train import train
from agents.viewing.recorder import record
from agents.viewing.runs import load_run
from tests.agents.finished_run import changed


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    runs = tmp_path_factory.mktemp("runs")
    train(changed(total_timesteps=64), runs)
    return runs / "test-s0"


def test_a_run_is_loaded_with_its_environment(folder):
    run = load_run(folder)
    (trace,) = record(run.environment("test", 1), run.policy, [0])
    assert run.title == "test on lm_envs/NextWord-v0"
    assert trace.kind == "probability"


def test_a_folder_without_a_checkpoint_is_refused(tmp_path):
    with pytest.raises(UserError, match=rf"has no {CHECKPOINT}; allowed"):
        load_run(tmp_path)


def test_a_checkpoint_of_another_model_or_configuration_is_refused(folder):
    config = folder / "config.yaml"
    before = config.read_text()
    values = yaml.safe_load(before)
    values["env"]["kwargs"]["observation"] = "candidates"
    config.write_text(yaml.safe_dump(values))
    try:
        with pytest.raises(UserError, match=r"does not fit .*written with lm_envs"):
            load_run(folder)
    finally:
        config.write_text(before)


def test_a_damaged_checkpoint_is_refused(folder, tmp_path):
    other = tmp_path / "copy-s0"
    other.mkdir()
    (other / "config.yaml").write_text((folder / "config.yaml").read_text())
    torch.save({"weights": 1}, other / CHECKPOINT)
    with pytest.raises(UserError, match="unreadable"):
        load_run(other)


def test_the_other_checkpoint_can_be_shown_where_the_last_one_is_damaged(folder, tmp_path):
    """Regression: `agents.enjoy` offered --checkpoint best, which it did not have."""
    other = tmp_path / "copy-s0"
    shutil.copytree(folder, other)
    (other / CHECKPOINT).write_bytes(b"damaged")
    with pytest.raises(UserError, match="take it by --checkpoint best"):
        load_run(other)
    assert load_run(other, "best").title == load_run(folder).title
