import json
from dataclasses import asdict

import pytest
from typer import Typer
from typer.testing import CliRunner

from agents.evaluation.stages import Stage
from agents.finetune_report import main
from agents.runs.files import write_jsonl


@pytest.fixture
def run():
    app = Typer()
    app.command()(main)
    return lambda *arguments: CliRunner().invoke(app, [str(each) for each in arguments])


def test_the_last_line_is_json_with_gains(run, tmp_path):
    stages = [Stage("base", {"reward": [0.0, 1.0]}, []), Stage("after", {"reward": [1.0, 2.0]}, [])]
    write_jsonl(tmp_path / "stages.jsonl", map(asdict, stages))
    done = run(tmp_path)
    document = json.loads(done.stdout.splitlines()[-1])
    assert document["stages"]["after"]["reward"]["gain"]["mean"] == 1.0


def test_a_folder_without_stages_is_an_error_of_one_line(run, tmp_path):
    done = run(tmp_path)
    assert done.exit_code == 2
    assert "holds no stages.jsonl" in done.output
