import pytest
from typer import Typer
from typer.testing import CliRunner

from agents.config.loading import UserError
from agents.enjoy import enjoy, main
from agents.train import train
from agents.viewing.runs import load_run
from tests.agents.finished_run import changed


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    runs = tmp_path_factory.mktemp("runs")
    train(changed(total_timesteps=64), runs)
    return runs / "test-s0"


@pytest.mark.filterwarnings("ignore:No font has")
def test_episodes_are_printed_and_written_as_page_and_pictures(folder, tmp_path):
    app = Typer()
    app.command()(main)
    files = [tmp_path / name for name in ("a.html", "a.gif", "a.png")]
    options = ["--html", files[0], "--gif", files[1], "--png", files[2], "--episodes", "2"]
    done = CliRunner().invoke(app, [str(folder), *map(str, options), "--no-color"])
    assert done.exit_code == 0, done.output
    assert done.output.count("episode ") == 2
    assert "\x1b" not in done.output
    assert all(file.stat().st_size > 1000 for file in files)


def test_an_index_and_a_prompt_select_what_is_shown(folder):
    run = load_run(folder)
    assert [trace.index for trace in enjoy(run, "test", 3, [2, 1], None)] == [2, 1]
    (trace,) = enjoy(run, "test", 3, [], "Once upon a time")
    assert trace.transcript.prompt == "Once upon a time"


def test_what_cannot_be_shown_is_refused(folder):
    run = load_run(folder)
    with pytest.raises(UserError, match="--index 99999; allowed: 0 to"):
        enjoy(run, "test", 3, [99999], None)
    with pytest.raises(UserError, match="give one of them"):
        enjoy(run, "test", 3, [1], "text")


def test_a_file_that_cannot_be_written_is_refused_before_anything_is_shown(folder, tmp_path):
    (tmp_path / "file").touch()
    app = Typer()
    app.command()(main)
    done = CliRunner().invoke(app, [str(folder), "--html", str(tmp_path / "file" / "a.html")])
    assert done.exit_code == 2
    assert "where nothing can be written" in " ".join(done.output.split())
    assert "episode 1" not in done.output
