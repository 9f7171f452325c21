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


def test_json_is_printed_on_request_and_a_table_of_80_columns_otherwise(run, tmp_path):
    stages = [Stage("base", {"reward": [0.0, 1.0]}, []), Stage("after", {"reward": [1.0, 2.0]}, [])]
    write_jsonl(tmp_path / "stages.jsonl", map(asdict, stages))
    document = json.loads(run(tmp_path, "--json").stdout)
    assert document["stages"]["after"]["reward"]["gain"]["mean"] == 1.0
    table = run(tmp_path).stdout
    assert "+1.000 ± 0.000" in table
    assert max(map(len, table.splitlines())) <= 80


def test_a_folder_without_stages_is_an_error_of_one_line(run, tmp_path):
    done = run(tmp_path)
    assert done.exit_code == 2
    assert "holds no stages.jsonl" in done.output
