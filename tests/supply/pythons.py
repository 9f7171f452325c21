"""`python -m tests.supply.pythons TORCH PYTHON...`: the lock and some of the tests on each.

Prints a line for each interpreter: passed, failed, or not installed here. Exits with 1 unless all
that are installed passed, and at least one is.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
PARTS = (
    *("tests/tokenizer", "tests/tasks", "tests/envs/ids", "tests/test_contract.py"),
    *("tests/command", "tests/test_sb3.py", "tests/agents/runs", "tests/agents/config"),
)
"""Tests that use each layer: language, model, environments, agents."""


def check(torch, python, folder):
    """Installs the lock for an interpreter and runs the tests; returns whether they passed."""
    own = f"{folder}/bin/python"
    pip = [own, "-m", "pip", "install", "--quiet"]
    lock = ["--require-hashes", "--no-deps", "--requirement", "requirements.txt"]
    tests = [own, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-x", *PARTS]
    commands = (
        [python, "-m", "venv", folder],
        [*pip, *lock],
        [*pip, *torch.split()],
        [*pip, "--no-deps", "--editable", "."],
        tests,
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return all(subprocess.run(each, cwd=ROOT, env=environment).returncode == 0 for each in commands)


def find(name):
    """Returns the first interpreter of a name such as python3.12 that starts."""
    version = name.removeprefix("python")
    installed = sorted((Path.home() / ".pyenv/versions").glob(f"{version}*/bin/python"))
    for path in [shutil.which(name), *map(str, installed)]:
        if path and subprocess.run([path, "--version"], capture_output=True).returncode == 0:
            return path
    return None


def main(torch, *pythons):
    results = {}
    for name in pythons:
        if (python := find(name)) is None:
            results[name] = "not installed here"
            continue
        with tempfile.TemporaryDirectory() as folder:
            results[name] = "passed" if check(torch, python, folder) else "failed"
    for name, result in results.items():
        print(f"{name}: {result}")
    return int("failed" in results.values() or "passed" not in results.values())


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
