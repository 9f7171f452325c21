"""The list of faults found from outside: every fault has tests, and they exist."""

import re

import gymnasium as gym
import numpy as np
import pytest

import lm_envs
from tests.pages import text_of

gym.register_envs(lm_envs)

ROWS = [
    line
    for line in text_of("docs/faults.md").splitlines()
    if line.startswith("| ") and "| tests |" not in line
]


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
        assert f"def {name}(" in text_of(path), f"{path}::{name}"


def make(**options):
    return lambda folder: gym.make("lm_envs/NextWord-v0", **options)


def make_rows(count, env_id="lm_envs/NextWord-v0"):
    return lambda folder: gym.make_vec(env_id, num_envs=count)


def deep_json(folder):
    (path := folder / "deep.jsonl").write_text('{"text":' * 100_000)
    return gym.make("lm_envs/NextWord-v0", dataset=str(path))


def one_action_in_an_array(folder):
    env = gym.make("lm_envs/NextWord-v0")
    env.reset(seed=0)
    return env.unwrapped.step(np.array([3]))


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (make(rewards={"fluency": 10**400}), "fluency"),
        (make(observation={"kind": "hidden", "reducer": []}), r"reducer=\[\]; allowed: a reducer"),
        (make(dataset="x" * 5000), "Got dataset='x+'"),
        (make(dataset="/" + "x" * 5000 + ".txt"), "Got dataset='/x+'"),
        (deep_json, "broken line at .*line 1"),
        (make_rows(10**6), "Got num_envs=1000000; allowed: 1 to 65536"),
        (make_rows(10**12), "Got num_envs=1000000000000; allowed: 1 to 65536"),
        (make_rows(10**12, "lm_envs/WeightTuning-v0"), "Got num_envs=1000000000000; allowed: 1 to"),
        (
            make(observation={"kind": "embeddings", "last": 10**6}),
            "Got last=1000000; allowed: 1 to",
        ),
        (one_action_in_an_array, r"action of shape \(1,\); allowed: one action, of shape \(\)"),
    ],
)
def test_values_out_of_any_range_are_refused_in_one_line(fault, message, tmp_path):
    """Regressions: errors of other libraries, or minutes of allocating."""
    with pytest.raises(ValueError, match=message):
        fault(tmp_path)


def test_a_small_number_of_numpy_is_a_size_of_the_prompt_cache():
    """Regression: np.uint8 overflowed."""
    env = gym.make("lm_envs/NextWord-v0", prompt_cache=np.uint8(3))
    assert env.reset(seed=0)[1]["prompt"]
