import json

import numpy as np
import pytest

from agents.observations.label_beliefs import BELIEFS, BEST, LOG_ODDS, PATH
from tests.envs.helpers import make

CHOICES = {"kind": "choices", "scores": False, "reads": False}
SPLITS = ["train", "validation"]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Texts of two labels; one of "train" has a label that no other text has."""
    rows = [{"text": "a comet appears", "label": "space", "split": "train"}]
    for split, count in (("train", 20), ("validation", 20), ("test", 20)):
        for number in range(count):
            word, label = (("cat", "animals"), ("snow", "weather"))[number % 2]
            rows.append({"text": f"the {word} {split} {number}", "label": label, "split": split})
    path = tmp_path_factory.mktemp("texts") / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def reading(dataset, num_envs=4, **options):
    arguments = {"mode": "sequential", "actions": CHOICES, "dataset": dataset, "split": "test"}
    observation = {"kind": "candidates", "features": [{"kind": PATH, "splits": SPLITS}]}
    arguments |= {"observation": observation}
    return make(num_envs, env_id="lm_envs/Classification-v0", **arguments | options)


def columns(env, observations, name):
    return observations[:, env.single_observation_space.columns[name]]


def test_beliefs_become_sure_when_the_word_is_read(dataset):
    env = reading(dataset)
    before, _ = env.reset(options={"index": np.arange(4)})
    after = env.step(np.full(4, 3))[0]
    assert columns(env, before, BELIEFS).max() < 0.8
    shares = columns(env, after, BELIEFS)
    right = [env.task.labels.index(each.targets[0]) for each in env.episodes.examples]
    assert shares.argmax(1).tolist() == right
    assert shares.max(1).min() > 0.8
    np.testing.assert_allclose(columns(env, after, BEST)[:, 0], shares.max(1))
    shares = shares.astype(np.float64)
    expected = np.log(shares / (1.0 - shares)).clip(-6.0, 6.0) / 3.0
    np.testing.assert_allclose(columns(env, after, LOG_ODDS), expected, atol=1e-3)


def test_a_text_that_is_learned_from_is_shown_to_a_classifier_that_does_not_know_it(dataset):
    env = reading(dataset, 1, split="train")
    observations, _ = env.reset(options={"index": np.array([0])})
    for _ in range(2):
        assert columns(env, observations, BELIEFS)[0, env.task.labels.index("space")] == 0.0
        observations = env.step(np.array([3]))[0]
    assert env.episodes.targets[0] == ("space",)


def test_a_row_shows_the_same_alone_and_in_a_batch(dataset):
    rows, alone = reading(dataset, 3), reading(dataset, 1)
    rows.reset(options={"index": np.array([5, 6, 5])})
    alone.reset(options={"index": np.array([5])})
    seen, single = rows.step(np.array([3, 0, 3]))[0], alone.step(np.array([3]))[0]
    np.testing.assert_array_equal(seen[0], seen[2])
    np.testing.assert_array_equal(seen[0], single[0])


def test_other_modes_are_refused(dataset):
    with pytest.raises(ValueError, match=r"Got LabelBeliefs for Classification; allowed: .*sequen"):
        reading(dataset, mode="whole")
