"""The hand-written description of rendered scenes."""

import numpy as np

from agents.baselines.rules.scene_detector import describe
from lm_envs.tasks.captioning.scenes import scenes


def test_it_describes_nearly_all_scenes():
    captioned_images = scenes("validation", None, "caption", (36, 36))
    right = [describe(captioned.image) in captioned.captions for captioned in captioned_images]
    assert np.mean(right) > 0.98


def test_an_image_without_objects_has_no_description():
    assert describe(np.zeros((36, 36, 3), np.uint8)) == ""
