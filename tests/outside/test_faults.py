"""The list of faults found from outside: every fault has tests, and they exist."""

import re
from pathlib import Path

import gymnasium as gym
import pytest

import lm_envs

gym.register_envs(lm_envs)

TESTS = Path(__file__).parents[1]
PAGE = (TESTS.parent / "docs" / "faults.md").read_text(encoding="utf-8")
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and "| tests |" not in line]


def named_tests(row):
    """Path and name of each test of a row; a name without a path is of the path before it."""
    path = ""
    for found, name in re.findall(r"`([\w/]*(?:\.py)?)::(test_\w+)`", row.split(" | ")[-1]):
        path = found or path
        yield path, name


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[2:60])
def test_every_fault_has_tests_that_exist(row):
    tests = list(named_tests(row))
    assert tests
    for path, name in tests:
        assert f"def {name}(" in (TESTS / path).read_text(encoding="utf-8"), f"{path}::{name}"
