"""Rendered scenes: their splits share nothing, and they are always the same."""

import numpy as np
import pytest

from lm_envs.tasks.captioning.scenes import (
    COLORS,
    KINDS,
    SHAPES,
    SIZES,
    first_captions,
    pairs,
    scenes,
)

SIZE = (36, 36)


def shown_pairs(split):
    return {
        (color, shape)
        for captioned in scenes(split, None, "pair", SIZE)
        for color in COLORS
        for shape in SHAPES
        if f"{color} {shape}" in captioned.captions[0]
    }


def test_no_caption_of_a_held_out_scene_is_one_of_a_training_scene():
    captions = {
        split: {text for each in scenes(split, None, "caption", SIZE) for text in each.captions}
        for split in SIZES
    }
    assert not captions["test"] & captions["train"]
    assert not captions["validation"] & captions["train"]
    assert not captions["validation"] & captions["test"]


def test_no_pair_of_color_and_shape_of_a_held_out_scene_is_in_training():
    assert shown_pairs("test") == set(pairs("test"))
    assert not shown_pairs("test") & shown_pairs("train")
    assert not shown_pairs("validation") & {*shown_pairs("train"), *shown_pairs("test")}
    assert {color for color, _ in shown_pairs("train")} == set(COLORS)
    assert {shape for _, shape in shown_pairs("train")} == set(SHAPES)


def test_a_kind_selects_scenes_and_changes_none():
    everything = scenes("test", None, "caption", SIZE)
    by_kind = [scenes("test", kind, "caption", SIZE) for kind in KINDS]
    assert sum(map(len, by_kind)) == len(everything) == SIZES["test"]
    chosen = [captioned for captioned in everything if captioned.group == "count"]
    for captioned, other in zip(chosen, by_kind[1], strict=True):
        np.testing.assert_array_equal(captioned.image, other.image)


def test_first_captions_are_those_of_the_scenes():
    captioned_images = scenes("test", "relation", "pair", SIZE)
    expected = tuple(captioned.captions[0] for captioned in captioned_images)
    assert first_captions("test", "relation", "pair") == expected


@pytest.mark.parametrize("size", [(36, 36), (20, 50)])
def test_images_are_drawn_in_any_size(size):
    image = scenes("test", None, "caption", size)[0].image
    assert image.shape == (*size, 3)
    assert image.dtype == np.uint8


def test_scenes_are_those_that_results_were_measured_with():
    captioned_images = scenes("test", None, "caption", SIZE)
    assert captioned_images[0].captions == ("two green circles",)
    assert int(captioned_images[0].image.astype(int).sum()) == 182_763
