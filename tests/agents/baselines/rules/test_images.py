"""Captions by rules: of similar images, the most frequent one, the detector's."""

import numpy as np
import pytest

from agents.baselines.families import Environments
from agents.baselines.registry import families as registered
from agents.baselines.rules.images import (
    CLASSIFIER,
    classified_caption,
    classifier,
    families,
    has_classes,
    nearest_caption,
)
from agents.config.train import TrainConfig
from agents.evaluation.rollouts import mean_scores

ID = "lm_envs/Captioning-v0"


def test_the_caption_is_the_most_frequent_of_the_nearest_images():
    images = np.stack([np.full((2, 2, 3), gray, np.uint8) for gray in (0, 10, 12, 14, 250)])
    captions = ["dark", "gray", "ash", "ash", "light"]
    near = np.full((2, 2, 3), 9, np.uint8)
    assert nearest_caption(images, captions, 1)(near) == "gray"
    assert nearest_caption(images, captions, 3)(near) == "ash"


@pytest.mark.parametrize("kind", ["linear", "rbf"])
def test_a_classifier_finds_the_pixel_that_tells_the_caption(kind):
    """All pixels but one are noise."""
    rng = np.random.default_rng(0)
    images = rng.integers(100, 140, (80, 3, 3, 3)).astype(np.uint8)
    captions = ["left" if number % 2 else "right" for number in range(80)]
    images[1::2, 0, 0], images[::2, 0, 0] = 255, 0
    caption_for = classified_caption(images, captions, kind, 1.0)
    assert [caption_for(image) for image in images[:4]] == ["right", "left", "right", "left"]
    other = images[0].copy()
    other[0, 0] = 255
    assert caption_for(other) == "left"


def test_a_classifier_of_images_with_one_caption_takes_it():
    images = np.zeros((2, 3, 3, 3), np.uint8)
    assert classified_caption(images, ["gray", "gray"], "linear", 1.0)(images[0]) == "gray"


def environments_of(**kwargs):
    raw = {"name": "x", "env": {"id": ID, "n_envs": 16, "split": "train[:5%]", "kwargs": kwargs}}
    config = TrainConfig.model_validate({**raw, "algorithm": {"name": "PPO"}, "total_timesteps": 1})
    return Environments(config)


def test_only_few_captions_of_small_images_are_classes():
    """Scenes have hundreds of captions, and held-out ones are in no training scene."""
    large = {"dataset": "digits", "image_size": [65, 40]}
    for kwargs, expected in (({}, False), ({"dataset": "digits"}, True), (large, False)):
        environments = environments_of(**kwargs)
        names = [family.name for family in registered(environments, "validation")]
        assert has_classes(environments.get("validation").task) is expected
        assert (CLASSIFIER in names) is expected


def test_a_classifier_of_digits_writes_their_captions():
    environments = environments_of(dataset="digits")
    run = classifier().run
    scores = mean_scores(run(environments, "validation", np.arange(40), ["rbf", 10.0], 0))
    assert scores["exact_match"] > 0.7  # of 62 training images


@pytest.fixture(scope="module")
def environments():
    return environments_of()


def test_each_rule_writes_whole_captions(environments):
    found = families(environments.get("validation").task)
    names = ["most frequent caption", "similar images", "color and shape detector"]
    assert [family.name for family in found] == names
    scores = {}
    for family in found:
        texts = family.run(environments, "validation", np.arange(12), 1, 0)
        assert all(text.ending == "end_token" for text in texts)
        scores[family.name] = mean_scores(texts)
    assert (
        len({text.text for text in found[0].run(environments, "validation", np.arange(4), None, 0)})
        == 1
    )
    assert scores["color and shape detector"]["exact_match"] > 0.9
    assert scores["similar images"]["exact_match"] < 0.5
