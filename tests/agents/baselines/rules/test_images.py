"""Captions by rules: of similar images, the most frequent one, the detector's."""

import numpy as np
import pytest

from agents.baselines.families import Environments
from agents.baselines.rules.images import families, nearest_caption
from agents.config.train import TrainConfig
from agents.evaluation.rollouts import mean_scores

ID = "lm_envs/Captioning-v0"


def test_the_caption_is_the_most_frequent_of_the_nearest_images():
    images = np.stack([np.full((2, 2, 3), gray, np.uint8) for gray in (0, 10, 12, 14, 250)])
    captions = ["dark", "gray", "ash", "ash", "light"]
    near = np.full((2, 2, 3), 9, np.uint8)
    assert nearest_caption(images, captions, 1)(near) == "gray"
    assert nearest_caption(images, captions, 3)(near) == "ash"


@pytest.fixture(scope="module")
def environments():
    raw = {"name": "x", "env": {"id": ID, "n_envs": 16, "split": "train[:5%]"}}
    config = TrainConfig.model_validate({**raw, "algorithm": {"name": "PPO"}, "total_timesteps": 1})
    return Environments(config)


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
