"""Runs of `python -m agents.train` that have to end alike: threads, kernels, caches, interruptions.

Each run is a process of its own. Equal means each number of checkpoint and log but the clock.
"""

import os
import signal
import subprocess
import sys
import time

import pytest
import torch
import yaml

from tests.agents.exact_state import state
from tests.agents.finished_run import changed, metrics
from tests.model.engines import needs_compiler

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
STEPS = 192
BOUND = 2e-3
"""Of parameters after three updates by Adam at 1e-3, where observations differ by 1e-6."""


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "config.yaml"
    path.write_text(
        yaml.safe_dump(changed(total_timesteps=STEPS, checkpoint_every=64).model_dump())
    )
    return path


def start(config, runs, *options, **variables):
    command = [sys.executable, "-m", "agents.train", str(config), "--runs", str(runs), *options]
    values = os.environ | {"OMP_NUM_THREADS": "1"} | variables
    return subprocess.Popen(command, env=values, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def run(config, runs, *options, **variables):
    """Numbers of a finished run: those of its checkpoint by name, and the rows of its log."""
    process = start(config, runs, *options, **variables)
    printed, _ = process.communicate()
    assert process.returncode == 0, printed.decode()[-2000:]
    return numbers(runs)


def numbers(runs):
    return state(runs / "test-s0"), metrics(runs / "test-s0")


def is_equal(one, other):
    (values, rows), (other_values, other_rows) = one, other
    return (
        rows == other_rows
        and values.keys() == other_values.keys()
        and all(_same(values[key], other_values[key]) for key in values)
    )


def _same(one, other):
    return torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other


@pytest.fixture(scope="module")
def reference(config, tmp_path_factory):
    return run(config, tmp_path_factory.mktemp("reference"))


def test_two_threads_play_as_one_and_train_within_rounding(config, reference, tmp_path):
    """The log is equal; PyTorch divides the sums of SB3's gradients among its threads."""
    values, rows = run(config, tmp_path, OMP_NUM_THREADS="2")
    assert rows == reference[1]
    differences = _differences(values, reference[0])
    assert differences.abs().max() < 1e-5
    assert differences.mean().abs() < 0.1 * differences.std()


def _differences(values, expected):
    """Differences of all parameters of the policy, in double precision."""
    floats = [key for key, value in expected.items() if "policy" in key and _is_float(value)]
    return torch.cat([(values[key] - expected[key]).double().flatten() for key in floats])


def _is_float(value):
    return isinstance(value, torch.Tensor) and value.is_floating_point()


def test_a_run_without_a_prompt_cache_trains_as_one_with_it(config, reference, tmp_path):
    (values, rows) = run(config, tmp_path, "--set", "env.kwargs.prompt_cache=0")
    assert is_equal((values, rows), reference)


def test_an_interrupted_and_resumed_run_trains_as_an_uninterrupted_one(config, reference, tmp_path):
    process = start(config, tmp_path)
    log = tmp_path / "test-s0" / "metrics.jsonl"
    while process.poll() is None and not (log.is_file() and log.stat().st_size):
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    printed, _ = process.communicate()
    assert process.returncode == 128 + signal.SIGTERM, printed.decode()[-2000:]
    assert is_equal(run(config, tmp_path, "--resume"), reference)


@needs_compiler
def test_compiled_and_eager_kernels_train_alike_without_a_bias(config, reference, tmp_path):
    values, _ = run(config, tmp_path, LM_ENVS_NATIVE="0")
    differences = _differences(values, reference[0])
    print(f"largest {differences.abs().max():.2g}, mean {differences.mean():.2g}")
    assert 0 < differences.abs().max() < BOUND
    assert differences.mean().abs() < 0.1 * differences.std()


def test_another_seed_trains_otherwise(config, reference, tmp_path):
    """The control; the number of finished episodes in the checkpoint depends on the seed too."""
    process = start(config, tmp_path, "--seed", "1")
    process.communicate()
    other = state(tmp_path / "test-s1"), metrics(tmp_path / "test-s1")
    assert not is_equal(other, reference)
    assert _differences(other[0], reference[0]).abs().max() > BOUND
