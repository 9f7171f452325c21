"""`python -m benchmarks` as a process."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("subject", "shown"), [("gpu", "--minutes"), ("report", "--baseline"), ("learning", "--jobs")]
)
def test_subject_with_a_command_line_of_its_own_has_its_options(subject, shown):
    command = [sys.executable, "-m", "benchmarks", subject, "--help"]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert f"python -m benchmarks {subject}" in output
    assert shown in output
