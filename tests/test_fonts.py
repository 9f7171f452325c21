from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import Image, ImageDraw

from lm_envs import fonts
from lm_envs.fonts import Typeface

DEJAVU = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
ARMENIAN = "\u0532\u0561\u0580\u0587"
"""Letters that DejaVu has, and Pillow's own font lacks."""


def drawn(text):
    image = Image.new("L", (200, 40))
    Typeface(20).draw(ImageDraw.Draw(image), (0, 0), text, (255,))
    return np.asarray(image)


@pytest.fixture
def no_system_fonts(monkeypatch):
    monkeypatch.setattr(fonts, "SYSTEM_FONTS", ())
    fonts.warn_of_boxes.cache_clear()


def test_the_font_of_the_variable_draws_what_pillows_own_lacks(monkeypatch, no_system_fonts):
    monkeypatch.setenv(fonts.FONT_VARIABLE, str(DEJAVU))
    first, second = drawn(ARMENIAN[0]), drawn(ARMENIAN[1])
    assert (first != second).any()


def test_without_a_font_there_are_boxes_and_one_warning(recwarn, no_system_fonts):
    first, second = drawn(ARMENIAN[0]), drawn(ARMENIAN[1])
    assert (first == second).all()
    assert [str(each.message)[:11] for each in recwarn] == ["No font has"]


def test_a_font_file_that_is_none_is_refused(monkeypatch, no_system_fonts):
    monkeypatch.setenv(fonts.FONT_VARIABLE, __file__)
    with pytest.raises(ValueError, match="LM_ENVS_FONT"):
        drawn(ARMENIAN)


def test_the_width_is_the_sum_of_the_parts(monkeypatch, no_system_fonts):
    monkeypatch.setenv(fonts.FONT_VARIABLE, str(DEJAVU))
    face = Typeface(20)
    assert face.width("ab" + ARMENIAN) == pytest.approx(face.width("ab") + face.width(ARMENIAN))
