"""Render modes and autoreset modes."""

import pytest
from gymnasium.vector import AutoresetMode

from lm_envs.envs.modes import check_modes, parse_autoreset_mode
from tests.envs.helpers import make


@pytest.mark.parametrize("mode", AutoresetMode)
def test_a_mode_is_known_by_its_name_and_by_itself(mode):
    assert parse_autoreset_mode(mode.name.lower()) is mode
    assert parse_autoreset_mode(mode) is mode


def test_unknown_modes_are_refused():
    with pytest.raises(ValueError, match="autoreset_mode='never'; allowed: 'next_step'"):
        check_modes("never", None)
    with pytest.raises(ValueError, match="render_mode='gif'; allowed: None, 'ansi', 'rgb_array'"):
        check_modes("disabled", "gif")


def test_an_environment_reports_its_mode_in_its_metadata():
    env = make(1, "same_step")
    assert env.metadata["autoreset_mode"] is env.autoreset_mode is AutoresetMode.SAME_STEP
    assert make(1).metadata["autoreset_mode"] is AutoresetMode.DISABLED
