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
    REGRESSION,
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


def scores(environments, name, setting, count=24):
    family = next(each for each in families(environments, "test") if each.name == name)
    return mean_scores(family.run(environments, "test", np.arange(count), setting, 0))


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


COSTS = {"animals": {"weather": 4.0}}
"""Who knows only how frequent labels are writes "animals": that costs 2/3, "weather" 4/3."""


def environments_with_costs(folder, **kwargs):
    """Texts of which half tell nothing; of these "weather" is the label of two thirds."""
    rng, rows = np.random.default_rng(0), []
    for split, count in (("train", 90), ("validation", 30), ("test", 30)):
        for number in range(count):
            label = ("animals", "weather", "weather")[number % 3]
            word = rng.choice(WORDS[label]) if number % 2 else "thing"
            text = f"the {word} x{rng.integers(10**9)}"
            rows.append({"text": text, "label": label, "split": split})
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    common = {"dataset": str(path), "observation": "candidates", "costs": COSTS}
    actions = {"kind": "choices", "scores": False, "reads": False}
    env = {"id": "lm_envs/Classification-v0", "n_envs": 8}
    env["kwargs"] = {**common, "actions": actions, **kwargs}
    return Environments(changed(env=CONFIG.env.model_validate(env)))


def test_with_costs_a_classifier_writes_the_cheaper_label_where_it_is_unsure(tmp_path):
    by_costs = environments_with_costs(tmp_path, rewards={"cost": -1.0})
    by_counts = environments_with_costs(tmp_path, rewards={"accuracy": 1.0})
    family = next(each for each in families(by_costs, "test") if each.name == REGRESSION)
    cheap, likely = (
        family.run(each, "test", np.arange(30), 10.0, 0) for each in (by_costs, by_counts)
    )
    unsure = [number for number, each in enumerate(likely) if "thing" in each.prompt]
    assert {cheap[number].text.strip() for number in unsure} == {"animals"}
    assert {likely[number].text.strip() for number in unsure} == {"weather"}
    rest = sorted(set(range(30)) - set(unsure))
    assert [cheap[each].text for each in rest] == [likely[each].text for each in rest]


READING = {"mode": "sequential", "rewards": {"cost": -1.0, "read": -0.1}}


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        (EVERYTHING, [None, 1_000]),
        (FIXED, [None, 1]),
        (CONFIDENT, [None, 0.75, 0.0]),
        (FITTED, [None, "linear"]),
        (FITTED, [None, "trees"]),
    ],
)
def test_each_rule_that_reads_avoids_the_dear_mistake(tmp_path, name, setting):
    """Half of the texts tell nothing; their cheapest label is wrong on two thirds of them."""
    environments = environments_with_costs(tmp_path, **READING)
    assert scores(environments, name, setting, 30)["cost"] == pytest.approx(1 / 3)
