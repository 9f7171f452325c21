import shutil

import pytest

from agents.config.loading import UserError
from agents.runs.fingerprints import check_unchanged, fingerprints
from tests.agents.finished_run import CONFIG, changed


@pytest.fixture
def config(tmp_path, checkpoint):
    """A run with a model and a data file of its own."""
    shutil.copytree(checkpoint, tmp_path / "model")
    (tmp_path / "pairs.jsonl").write_text('{"source": "a", "target": "b"}\n')
    kwargs = {"model": str(tmp_path / "model"), "dataset": str(tmp_path / "pairs.jsonl")}
    return changed(env=CONFIG.env.model_copy(update={"kwargs": {**kwargs, "actions": "top_k"}}))


def test_the_files_of_model_and_data_count(config):
    names = " ".join(fingerprints(config))
    assert "model.safetensors" in names
    assert "env.kwargs.dataset" in names
    assert "top_k" not in names


@pytest.mark.parametrize("name", ["model/model.safetensors", "model/config.json", "pairs.jsonl"])
def test_a_changed_file_is_refused_by_name(config, tmp_path, name):
    """Regression: a run went on with replaced weights and changed references."""
    before = fingerprints(config)
    check_unchanged(before, fingerprints(config), tmp_path)
    with (tmp_path / name).open("ab") as file:
        file.write(b" ")
    with pytest.raises(UserError, match=rf"{name.split('/')[-1]} has changed \(SHA-256 \w+ at the"):
        check_unchanged(before, fingerprints(config), tmp_path)


def test_a_missing_file_is_refused_by_name(config, tmp_path):
    before = fingerprints(config)
    (tmp_path / "pairs.jsonl").unlink()
    with pytest.raises(UserError, match=r"pairs\.jsonl is missing"):
        check_unchanged(before, fingerprints(config), tmp_path)
