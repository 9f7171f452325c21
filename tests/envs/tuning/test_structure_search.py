"""Removal of heads and perceptrons."""

import numpy as np
import pytest

from tests.envs.tuning.helpers import HEADS, LAYERS, make_one, make_rows


def test_removing_a_part_again_is_masked_and_has_no_effect():
    env = make_one("StructureSearch").unwrapped
    env.reset(seed=0)
    env.step(2)
    assert not env.action_masks()[2]
    assert env.action_masks().sum() == LAYERS * (HEADS + 1)
    _, reward, *_ = env.step(2)
    assert reward == 0.0


def test_saved_is_the_share_of_multiplications():
    env = make_one("StructureSearch", price=3.0)
    env.reset(seed=0)
    _, reward, *_, info = env.step(1 + HEADS + 2)  # a head: 1/4 of 1/3 of a layer
    fall = 3.0 / 48 - reward
    _, _, terminated, _, final = env.step(0)
    assert terminated
    assert final["ending"] == "complete"
    assert final["scores"]["saved"] == pytest.approx(1 / 48)
    assert final["scores"]["reward"] == pytest.approx(3.0 / 48 - fall)
    assert final["scores"]["loss"] == info["loss"]


def test_a_ruined_model_ends_the_episode():
    env = make_one("StructureSearch")
    env.reset(seed=0)
    _, reward, terminated, *_ = env.step(1 + HEADS)  # the first perceptron
    assert terminated
    assert reward == pytest.approx(-1.0 + 2 / 3 / LAYERS)


def test_greedy_search_is_as_good_as_every_single_removal():
    env = make_one("StructureSearch", adjustments=16)
    env.reset(options={"index": 0})
    total, is_over = 0.0, False
    while not is_over:
        _, reward, is_over, *_ = env.step(int(env.unwrapped.batch.tuner.best()[0]))
        total += reward
    singles = []
    for action in range(1, 1 + LAYERS * (HEADS + 1)):
        env.reset(options={"index": 0})
        singles.append(env.step(action)[1])
    assert total >= max(singles) > 0.0


def test_probes_are_what_each_part_alone_is_worth_to_the_rows_passages():
    env = make_rows("StructureSearch", 2, passages=2, probes=True).unwrapped
    plain = make_rows("StructureSearch", 2, passages=2).unwrapped
    shown, _ = env.reset(seed=0)
    without, _ = plain.reset(seed=0)
    parts = env.single_action_space.n - 1
    assert shown.shape[1] == without.shape[1] + parts
    np.testing.assert_array_equal(shown[:, parts:], without)
    for part in (0, parts - 1):
        plain.reset(seed=0)
        _, _, _, _, infos = plain.step(np.full(2, 1 + part))
        falls = env.tuner.scores()["loss"] - infos["loss"]
        saved = plain.tuner.scores()["saved"]  # the price is 1
        np.testing.assert_allclose(shown[:, part], falls + saved, atol=1e-6)
    assert (shown[0, :parts] != shown[1, :parts]).any()  # other passages, other parts
