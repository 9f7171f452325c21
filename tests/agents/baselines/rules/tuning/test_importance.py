import gymnasium as gym
import numpy as np
import pytest

import lm_envs
from agents.baselines.rules.tuning.importance import has_probes, least_important_first
from agents.evaluation.rollouts import run_episodes

gym.register_envs(lm_envs)


def made(**kwargs):
    arguments = {"passages": 2, "split": "validation", "autoreset_mode": "disabled", **kwargs}
    return gym.make_vec("lm_envs/StructureSearch-v0", num_envs=3, **arguments).unwrapped


@pytest.fixture(scope="module")
def env():
    return made(probes=True)


def test_a_higher_threshold_removes_fewer_parts(env):
    counts = [
        sum(
            len(text.rewards)
            for text in run_episodes(env, least_important_first(least, 0.0), INDICES)
        )
        for least in (0.0, 0.02, 0.1)
    ]
    assert counts[0] > counts[1] > counts[2]


def test_a_rule_that_grows_stricter_removes_fewer_parts_but_the_same_first_one(env):
    constant, growing = (
        [
            text.text.splitlines()
            for text in run_episodes(env, least_important_first(0.0, growth), INDICES)
        ]
        for growth in (0.0, 0.05)
    )
    for all_parts, fewer in zip(constant, growing, strict=True):
        assert all_parts[0] == fewer[0]
        assert len(fewer) < len(all_parts)


def test_the_first_part_removed_gains_what_its_probe_says(env):
    env.reset(seed=0)
    gains = env.tuner.expected_gains()
    actions = least_important_first(-np.inf, 0.0)(env, env.observe())
    np.testing.assert_array_equal(actions, 1 + gains.argmax(1))
    _, rewards, *_ = env.step(actions)
    np.testing.assert_allclose(rewards, gains.max(1), atol=1e-6)


def test_a_removed_part_is_not_removed_again(env):
    env.reset(seed=0)
    first = 1 + env.tuner.expected_gains().argmax(1)
    env.step(first)
    assert np.isneginf(env.tuner.expected_gains()[np.arange(3), first - 1]).all()


def test_rows_without_probes_are_told_apart():
    without = made()
    assert not has_probes(without)
    without.reset(seed=0)
    with pytest.raises(ValueError, match="Got no probes; make the environment with probes=True"):
        without.tuner.expected_gains()


INDICES = np.arange(6)
