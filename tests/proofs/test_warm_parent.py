"""Processes that are started from one that has used a model."""

import os
import subprocess
import sys

import pytest


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.parametrize("native", ["0", "1"])
def test_processes_from_a_warm_parent_compute_the_same(method, native):
    values = os.environ | {"OMP_NUM_THREADS": "2", "LM_ENVS_NATIVE": native}
    command = [sys.executable, "-m", "tests.proofs.warm_parent", method]
    done = subprocess.run(command, env=values, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.endswith("equal\n")
