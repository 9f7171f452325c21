import json

import pytest
from typer import Typer
from typer.testing import CliRunner

from agents.explain import main
from agents.train import train
from tests.agents.finished_run import changed


def test_a_run_is_explained_as_page_json_and_summary(tmp_path):
    train(changed(total_timesteps=64), tmp_path)
    app = Typer()
    app.command()(main)
    folder = tmp_path / "test-s0"
    done = CliRunner().invoke(app, [str(folder), "--episodes", "6", "--departures", "4"])
    assert done.exit_code == 0, done.output
    assert "what decided" in done.output
    assert max(map(len, done.output.splitlines()[:-2])) <= 80
    document = json.loads((folder / "explanation" / "explanation.json").read_text())
    assert document["sentence"].split()[0] in (folder / "explanation" / "index.html").read_text()


@pytest.mark.parametrize("folder", ["nothing", "."])
def test_a_folder_without_a_run_is_an_error_of_one_line(tmp_path, folder):
    app = Typer()
    app.command()(main)
    done = CliRunner().invoke(app, [str(tmp_path / folder)])
    assert done.exit_code == 2
    assert "has no checkpoint.pt; allowed" in done.output
