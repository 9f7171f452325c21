import gymnasium as gym
import numpy as np
import pytest

import lm_envs
from agents.baselines.rules.customer_beliefs import Conversation
from agents.observations.customer_beliefs import (
    BELIEFS,
    EVENTS,
    LOG_ODDS,
    PATH,
    events,
    shown_beliefs,
    shows_beliefs,
)
from lm_envs.tasks.simulators.customer import QUESTIONS
from lm_envs.tasks.simulators.varied_customer import CLARIFY, CONFIRM, NOT_NEEDED, WRONG_GRANT

gym.register_envs(lm_envs)

CHOICES = {"kind": "choices", "scores": False, "reads": False}
POPULATION = {"kind": "varied", "seed": 1, "size": 300}


def make(num_envs=8, feature=None, **arguments):
    observation = {"kind": "candidates", "features": [feature or PATH]}
    kwargs = {"customers": POPULATION, "actions": CHOICES, "observation": observation}
    made = gym.make_vec("lm_envs/Dialogue-v0", num_envs=num_envs, **(kwargs | arguments))
    return made.unwrapped


def test_observations_show_beliefs_that_find_most_requests():
    env = make(64, split="validation")
    observations, _ = env.reset(options={"index": np.arange(64)})
    space = env.single_observation_space
    assert shows_beliefs(space)
    believed = shown_beliefs(space, observations)
    named = [
        (max(each.requests, key=each.requests.__getitem__), customer.request)
        for each, customer in zip(believed, env.task.customers, strict=False)
        if not customer.is_vague
    ]
    assert np.mean([guess == request for guess, request in named]) > 0.6
    for each in believed:
        assert sum(each.requests.values()) == pytest.approx(1.0, abs=1e-5)
        assert sum(each.moods.values()) == pytest.approx(1.0, abs=1e-5)
    shares = observations[:, space.columns[BELIEFS]].astype(np.float64)
    odds = observations[:, space.columns[LOG_ODDS]]
    expected = np.log(shares / (1.0 - shares)).clip(-6.0, 6.0) / 3.0
    np.testing.assert_allclose(odds, expected, atol=1e-3)
    assert not observations[:, space.columns[EVENTS]].any()


def test_what_was_shown_of_a_conversation_is_shown_again_whatever_the_other_rows_do():
    env, alone = make(3), make(1)
    seen, _ = env.reset(options={"index": np.array([4, 5, 4])})
    seen = env.step(np.array([0, 8, 0]))[0]
    alone.reset(options={"index": np.array([4])})
    again = alone.step(np.array([0]))[0]
    np.testing.assert_array_equal(seen[0], seen[2])
    np.testing.assert_array_equal(seen[0], again[0])


def test_left_out_words_make_the_classifiers_less_sure():
    shares = []
    for dropout in (0.0, 0.6):
        env = make(64, {"kind": PATH, "dropout": dropout})
        observations, _ = env.reset(options={"index": np.arange(64)})
        columns = env.single_observation_space.columns[BELIEFS]
        shares.append(observations[:, columns][:, :5].max(1).mean())
    assert shares[1] < shares[0] - 0.03


def test_events_count_what_was_said():
    order, polite = QUESTIONS["order"]
    talk = Conversation(
        ("Hi.", "Hm?", "It is B7.", "I need a lamp.", "No, wait, it is B8.", WRONG_GRANT),
        (order, polite, CLARIFY[1], CONFIRM[0], "Order B8 is cancelled."),
    )
    found = events(talk)
    # Short: the confirmation was answered, the first question was not. Polite: one answer.
    assert found[:4].tolist() == [1.0, 1.0, 1.0, 0.0]
    assert found[4:11].tolist() == [0.0, 1.0, 0.0, 1.0, 1.0, 1.0, 0.0]
    assert np.flatnonzero(found[11:]).tolist() == [2]  # a short grant
    refused = events(Conversation(("Hi.", "Hm?"), (order,)))
    assert np.flatnonzero(refused).tolist() == [1, 11, 19]
    needless = events(Conversation(("Hi.", NOT_NEEDED), (QUESTIONS["day"][1],)))
    assert np.flatnonzero(needless).tolist() == [10, 12]


def test_other_tasks_and_customers_are_refused():
    with pytest.raises(ValueError, match="Got CustomerBeliefs for Dialogue; allowed: Dialogue wi"):
        make(customers="simple")
    with pytest.raises(ValueError, match=r"Got dropout=1\.5; allowed: 0 <= dropout < 1"):
        make(feature={"kind": PATH, "dropout": 1.5})
    assert not shows_beliefs(gym.spaces.Box(0.0, 1.0, (3,)))
