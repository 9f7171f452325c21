"""Render modes and autoreset modes, and their names."""

from gymnasium.vector import AutoresetMode

from lm_envs.validation import check_choice

RENDER_MODES = ("ansi", "rgb_array")


def check_modes(autoreset_mode: str | AutoresetMode, render_mode: str | None) -> None:
    """Raises ValueError for an unknown mode, naming the allowed ones, before anything is built."""
    check_choice("render_mode", render_mode, (None, *RENDER_MODES))
    parse_autoreset_mode(autoreset_mode)


def parse_autoreset_mode(mode: str | AutoresetMode) -> AutoresetMode:
    """Returns Gymnasium's enum from its value or its name in lower case."""
    if isinstance(mode, AutoresetMode):
        return mode
    names = {member.name.lower(): member for member in AutoresetMode}
    check_choice("autoreset_mode", mode, names)
    return names[mode]
