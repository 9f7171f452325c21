"""Fixtures of the tests of benchmarks."""

import pytest
import typer
from typer.testing import CliRunner

from benchmarks import command as command_line


@pytest.fixture
def run_benchmarks(tmp_path):
    """Runs `python -m benchmarks` in this process; the results go to `tmp_path`."""
    app = typer.Typer()
    app.command()(command_line.main)
    return lambda *arguments: CliRunner().invoke(app, [*arguments, "--output", str(tmp_path)])
