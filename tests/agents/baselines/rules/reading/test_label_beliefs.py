import numpy as np

from agents.baselines.rules.reading.label_beliefs import (
    FOLDS,
    cross_fitted,
    learned_classifier,
    shown_text,
)
from tests.envs.helpers import make

LABELS = ("animals", "numbers", "weather")
TEXTS = [
    ("animals", ("cat", "cat and", "cat and dog")),
    ("numbers", ("7", "7 or", "7 or 8")),
] * FOLDS


def test_a_classifier_knows_beginnings_and_gives_unknown_labels_nothing():
    found = learned_classifier(TEXTS, LABELS).probabilities(["cat", "8"])
    assert found.argmax(1).tolist() == [0, 1]
    np.testing.assert_allclose(found.sum(1), 1.0)
    assert not found[:, 2].any()


def test_the_classifier_of_a_fold_did_not_learn_from_its_texts():
    texts = [("weather", ("snow", "snow falls")), *TEXTS[:9]]
    first, second, *_ = cross_fitted(texts, LABELS)
    assert first.probabilities(["snow"])[0, 2] == 0.0
    assert second.probabilities(["snow"])[0, 2] > 0.3


def test_further_texts_are_learned_from_in_each_fold():
    more = [("weather", ("snow", "snow falls"))]
    for classifier in cross_fitted(TEXTS, LABELS, more):
        assert classifier.probabilities(["snow"])[0].argmax() == 2


def test_the_shown_text_is_what_a_row_has_read():
    env = make(
        2, env_id="lm_envs/Classification-v0", mode="sequential", actions="choices", split="train"
    )
    env.reset(options={"index": np.array([0, 1])})
    env.step(np.array([8, 8]))
    assert shown_text(env.episodes, 0) == "Caribbean, island"
