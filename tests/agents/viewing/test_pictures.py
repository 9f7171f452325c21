from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from agents.viewing.pictures import LINE, WIDTH, animation, image_png, picture
from agents.viewing.trace import Candidate
from lm_envs.rendering import PICTURE
from tests.agents.viewing.traces import make_hostile, make_traces


@pytest.mark.filterwarnings("ignore:No font has")
def test_a_picture_is_a_png_and_an_animation_has_a_frame_a_step():
    traces = make_traces(2)
    image = Image.open(BytesIO(picture(traces[0])))
    assert (image.format, image.width) == ("PNG", WIDTH)
    moving = Image.open(BytesIO(animation(traces, speed=4.0)))
    assert moving.format == "GIF"
    assert moving.n_frames == sum(len(trace.steps) for trace in traces)


@pytest.mark.filterwarnings("ignore:No font has")
def test_the_clearest_departure_is_drawn_whatever_it_earned():
    trace = make_traces(1)[0]
    first, second = (Candidate("a", -1.0, 0.4), Candidate("b", -2.0, 0.5))
    clear = replace(second, preference=0.6)
    steps = [replace(trace.steps[0], candidates=(first, second), chosen=1, first=0, reward=1.0)]
    steps.append(replace(steps[0], candidates=(first, clear), reward=-1.0))
    drawn = {}
    for name, own in {"both": steps, "clear": steps[1:] * 2, "other": steps[:1] * 2}.items():
        image = Image.open(BytesIO(picture(replace(trace, steps=tuple(own)))))
        drawn[name] = np.asarray(image)[-3 * LINE :]  # the rows of the two candidates
    assert (drawn["both"] == drawn["clear"]).all()
    assert (drawn["both"] != drawn["other"]).any()


@pytest.mark.filterwarnings("ignore:No font has")
def test_text_of_any_kind_can_be_drawn():
    assert picture(make_hostile(make_traces(1)[0]))


@pytest.mark.filterwarnings("ignore:No font has")
def test_the_image_that_the_agent_saw_stands_above_the_text():
    trace = make_traces(1)[0]
    red = np.full((4, 4, 3), (215, 35, 35), np.uint8)
    seen = replace(trace, transcript=replace(trace.transcript, image=red))
    frame = np.asarray(Image.open(BytesIO(picture(seen))))
    assert (frame == (215, 35, 35)).all(2).sum() == PICTURE**2
    assert np.asarray(Image.open(BytesIO(image_png(red)))).shape == (PICTURE, PICTURE, 3)
