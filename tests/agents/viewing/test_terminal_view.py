from io import StringIO

import numpy as np
import pytest
from rich.console import Console

from agents.viewing.terminal_view import episode_view, image_view, play_back, step_view
from tests.agents.viewing.traces import make_hostile, make_traces


def shown(view, width=80):
    console = Console(width=width, file=StringIO(), color_system=None)
    console.print(view)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("env_id", ["lm_envs/NextWord-v0", "lm_envs/Dialogue-v0"])
def test_views_fit_the_terminal(width, env_id):
    (trace,) = (
        make_traces(1, env_id=env_id)
        if "Next" in env_id
        else make_traces(1, env_id=env_id, max_new_tokens=60)
    )
    for view in (step_view(trace, 0), episode_view(trace)):
        assert max(map(len, shown(view, width).splitlines())) <= width


def test_hostile_text_does_not_reach_the_terminal():
    trace = make_hostile(make_traces(1)[0])
    text = shown(step_view(trace, 0)) + shown(episode_view(trace))
    assert not set("\x1b\x07\x9b\u202e\r") & set(text)
    assert "[red]x[/red]" in text


def test_a_pipe_gets_each_episode_once_and_no_escape_codes():
    console = Console(file=StringIO(), width=80)
    play_back(make_traces(2), console, "run", speed=1.0)
    text = console.file.getvalue()
    assert "\x1b" not in text
    assert text.count("run: episode") == 2


def test_a_terminal_gets_every_step_with_the_models_and_the_agents_probabilities():
    console = Console(file=StringIO(), width=80, force_terminal=True, color_system=None)
    traces = make_traces(1)
    play_back(traces, console, "run", speed=1000.0)
    text = console.file.getvalue()
    for number in range(len(traces[0].steps)):
        assert f"step {number + 1} of {len(traces[0].steps)}" in text


def test_the_picture_that_the_agent_saw_has_two_pixels_a_character_and_needs_colors():
    image = np.zeros((32, 32, 3), np.uint8)
    image[1] = (215, 35, 35)
    colored = Console(
        file=StringIO(), force_terminal=True, color_system="truecolor", no_color=False
    )
    view = image_view(image, colored)
    assert view.plain.split("\n") == ["▀" * 32] * 16
    assert str(view.spans[0].style) == "rgb(0,0,0) on rgb(215,35,35)"
    assert image_view(image[:8, :8], colored).plain == view.plain  # a small one is enlarged
    plain = Console(file=StringIO(), color_system=None)
    assert "agents.enjoy --png" in image_view(image, plain).plain
