import json

import numpy as np
import pytest

from agents.baselines.families import Environments
from agents.baselines.registry import families
from agents.baselines.rules.reading.families import (
    CONFIDENT,
    EVERYTHING,
    FITTED,
    FIXED,
    price_of_reading,
)
from agents.evaluation.rollouts import mean_scores
from tests.agents.finished_run import CONFIG, changed

WORDS = {
    "animals": ["cat", "dog", "horse", "bird"],
    "weather": ["snow", "rain", "wind", "storm"],
}


@pytest.fixture(scope="module")
def environments(tmp_path_factory):
    """Texts whose second word tells the label; the others say nothing."""
    rng = np.random.default_rng(0)
    rows = []
    for split, count in (("train", 40), ("validation", 24), ("test", 24)):
        for number in range(count):
            label = sorted(WORDS)[number % 2]
            fill = " ".join(f"x{rng.integers(99)}" for _ in range(4))
            text = f"the {rng.choice(WORDS[label])} {fill} {split} {number}"
            rows.append({"text": text, "label": label, "split": split})
    path = tmp_path_factory.mktemp("texts") / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    kwargs = {"mode": "sequential", "dataset": str(path), "observation": "candidates"}
    kwargs["actions"] = {"kind": "choices", "scores": False, "reads": False}
    env = {"id": "lm_envs/Classification-v0", "n_envs": 8, "kwargs": kwargs}
    return Environments(changed(env=CONFIG.env.model_validate(env)))


def scores(environments, name, setting):
    family = next(each for each in families(environments, "test") if each.name == name)
    return mean_scores(family.run(environments, "test", np.arange(24), setting, 0))


def test_all_words_are_read_or_as_many_as_the_setting_has(environments):
    assert scores(environments, EVERYTHING, [None, 1_000])["read"] == 1.0
    found = scores(environments, FIXED, [None, 1])
    assert found["read"] == 2 / 8
    assert found["accuracy"] == 1.0


def test_confidence_reads_the_word_that_tells_the_label(environments):
    found = scores(environments, CONFIDENT, [None, 0.8, 0.0])
    assert found["accuracy"] == 1.0
    assert 2 / 8 <= found["read"] < 4 / 8
    hasty = scores(environments, CONFIDENT, [None, 0.3, 0.0])
    assert hasty["read"] == 1 / 8


@pytest.mark.parametrize("kind", ["linear", "trees"])
def test_the_fitted_rule_is_at_least_as_good_as_stopping_at_once(environments, kind):
    found = scores(environments, FITTED, [None, kind])
    assert found["accuracy"] == 1.0
    assert found["reward"] > scores(environments, FIXED, [None, 0])["reward"] + 0.2


def test_the_price_of_reading_is_in_correct_labels():
    assert price_of_reading({"accuracy": 1.0, "read": -0.3}) == pytest.approx(0.3)
    assert price_of_reading({"cost": -2.0, "read": -0.3}) == pytest.approx(0.15)
    assert price_of_reading({"read": -0.3}) == 0.0
