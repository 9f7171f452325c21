import json

import pytest
import yaml
from typer import Typer
from typer.testing import CliRunner

from agents.corpus import streams
from agents.pretrain import main
from tests.agents.pretrain_run import VALUES


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.setattr(streams, "documents", lambda part, split: ["the cat sat on a mat"] * 90)
    values = {**VALUES, "run": str(tmp_path / "run"), "context": 8, "batch_size": 2}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(values))
    return tmp_path / "config.yaml"


def test_a_run_leaves_its_result_curve_and_logs(config, tmp_path):
    app = Typer()
    app.command()(main)
    done = CliRunner().invoke(app, [str(config), "--set", "num_steps=4"])
    assert done.exit_code == 0, done.output
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert (result["steps"], result["tokens"]) == (4, 4 * 2 * 8)
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"loss.png", "metrics.jsonl", "checkpoint.pt", "tokenizer.json"} <= names
