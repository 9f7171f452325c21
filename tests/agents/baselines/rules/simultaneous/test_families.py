from pathlib import Path

import numpy as np
import pytest

from agents.baselines.families import Environments
from agents.baselines.rules.simultaneous.families import families
from agents.config.loading import load_config
from agents.config.train import TrainConfig

CONFIG = Path("configs/simultaneous_translation_ppo.yaml")


@pytest.fixture(scope="module")
def environments():
    changed = ['env.split="validation[97%:]"', "env.n_envs=8"]
    return Environments(load_config(TrainConfig, CONFIG, changed))


@pytest.mark.parametrize("place", [0, 1, 2])
def test_each_family_translates_with_each_of_its_first_and_last_settings(environments, place):
    family, split = families()[place], "validation[:25%]"
    settings = [setting for setting, _ in family.search(lambda setting: 0.0)]
    found = [
        family.run(environments, split, np.arange(0, 150, 15), setting, 0)
        for setting in (settings[0], settings[-1])
    ]
    first, last = (np.mean([text.scores["lagging"] for text in texts]) for texts in found)
    assert first < last  # the last setting waits longer
