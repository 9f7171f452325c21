"""The hand-written description of rendered scenes."""

import numpy as np

from agents.baselines.scene_detector import describe
from lm_envs.tasks.captioning.scenes import scenes


def test_it_describes_nearly_all_scenes():
    pictures = scenes("validation", None, "caption", (36, 36))
    right = [describe(picture.image) in picture.captions for picture in pictures]
    assert np.mean(right) > 0.98


def test_a_picture_without_objects_has_no_description():
    assert describe(np.zeros((36, 36, 3), np.uint8)) == ""
