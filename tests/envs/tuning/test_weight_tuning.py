"""Settings of the parts and of the temperature."""

import numpy as np
import pytest

from tests.envs.tuning.helpers import HEADS, LAYERS, make_one


def test_a_setting_that_is_set_back_restores_the_loss():
    env = make_one("WeightTuning")
    env.reset(seed=0)
    action = np.zeros(env.action_space.shape, np.float32)
    action[[0, 3]] = (1.0, -1.0)
    _, there, *_ = env.step(action)
    _, back, *_ = env.step(-action)
    assert there != 0.0
    assert there + back == pytest.approx(0.0, abs=1e-9)


def test_settings_stay_between_minus_1_and_1():
    env = make_one("WeightTuning", adjustments=8)
    env.reset(seed=0)
    for _ in range(6):
        observation, *_ = env.step(np.ones(env.action_space.shape, np.float32))
    np.testing.assert_array_equal(observation[: env.action_space.shape[0]], 1.0)


@pytest.mark.parametrize(("parts", "size"), [("blocks", 2), ("heads", HEADS + 1)])
def test_each_part_and_the_temperature_have_a_setting(parts, size):
    env = make_one("WeightTuning", parts=parts)
    assert env.action_space.shape == (1 + LAYERS * size,)


def test_there_are_no_masks():
    with pytest.raises(ValueError, match="only discrete ones have masks"):
        make_one("WeightTuning").unwrapped.action_masks()
