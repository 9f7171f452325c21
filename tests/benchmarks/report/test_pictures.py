import pytest
from PIL import Image
from typer import Typer
from typer.testing import CliRunner

from agents.config.loading import UserError
from benchmarks.report import pictures
from tests.agents.rating import browser


def test_a_command_is_run_as_in_a_terminal_of_80_columns(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "")
    assert "agents.play" in pictures.terminal(["play", "--help"])
    with pytest.raises(UserError, match=r"exit code 2 from agents\.enjoy: .*has no checkpoint\.pt"):
        pictures.terminal(["enjoy", "nothing"])


def test_a_folder_without_a_run_is_refused(tmp_path):
    app = Typer()
    app.command()(pictures.main)
    done = CliRunner().invoke(app, [str(tmp_path), str(tmp_path / "pictures")])
    assert done.exit_code == 2
    assert "has no checkpoint.pt" in done.output


def test_a_missing_browser_is_named_with_the_remedy(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UserError, match=r"Got no chromium .*apt-get install chromium"):
        pictures.find_browser()


def test_a_long_terminal_is_cut_at_blank_lines():
    lines = [str(number) for number in range(100)]
    lines[25] = lines[85] = ""
    assert pictures.excerpt(lines) == [*lines[:25], "⋮", *lines[85:]]
    lines[25] = lines[85] = "x"
    assert pictures.excerpt(lines) == [*lines[:27], "⋮", *lines[80:]]
    assert pictures.excerpt(lines[:47]) == lines[:47]


@pytest.mark.skipif(browser.PATH is None, reason="needs Chromium")
def test_a_terminal_becomes_a_small_picture(tmp_path):
    path = tmp_path / "a.png"
    pictures.draw_terminal(browser.PATH, "python -m x", "\x1b[31mred\x1b[0m\n" * 60, path)
    image = Image.open(path)
    assert image.width > 900
    assert len(image.getcolors(256)) > 4
    assert path.stat().st_size < 100_000
