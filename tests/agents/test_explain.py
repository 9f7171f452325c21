import json

import pytest
import yaml
from typer import Typer
from typer.testing import CliRunner

from agents.explain import main
from agents.train import train
from tests.agents.explaining.controls import small_sweep
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


def test_a_sweep_of_weights_is_written_as_page_picture_and_json(tmp_path):
    path = tmp_path / "sweep.yaml"
    path.write_text(yaml.safe_dump(small_sweep(tmp_path).model_dump()))
    app = Typer()
    app.command()(main)
    arguments = ["--weights", str(path), "--episodes", "4", "--output", str(tmp_path / "out")]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert "With the weight of repetition from -1 to 1:" in done.output
    assert {"index.html", "control.png", "control.json", "runs"} == {
        each.name for each in (tmp_path / "out").iterdir()
    }


@pytest.mark.parametrize("arguments", [[], ["runs/a", "--weights", "b.yaml"]])
def test_a_run_and_a_sweep_exclude_each_other(arguments):
    app = Typer()
    app.command()(main)
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 2
    assert "allowed: one of them" in " ".join(done.output.split())
