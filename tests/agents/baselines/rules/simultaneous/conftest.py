"""Sixteen rows of a simultaneous translation."""

import gymnasium as gym
import pytest

import lm_envs

gym.register_envs(lm_envs)


@pytest.fixture(scope="module")
def env():
    options = {"mode": "simultaneous", "split": "validation", "autoreset_mode": "disabled"}
    return gym.make_vec("lm_envs/Translation-v0", num_envs=16, **options).unwrapped
