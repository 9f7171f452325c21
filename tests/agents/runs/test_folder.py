import json

import pytest
import yaml

from agents.config.loading import UserError
from agents.runs.files import write_text
from agents.runs.folder import open_run, read_config
from tests.agents.finished_run import CONFIG, changed


def test_a_new_folder_holds_the_configuration_and_versions(tmp_path):
    assert not open_run(CONFIG, tmp_path / "run", resume=False)
    assert read_config(tmp_path / "run") == CONFIG
    assert "torch" in json.loads((tmp_path / "run" / "versions.json").read_text())


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
