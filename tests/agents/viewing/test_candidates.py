import gymnasium as gym
import numpy as np
import pytest

import lm_envs
from agents.viewing.candidates import offers

gym.register_envs(lm_envs)


def make(env_id, **arguments):
    env = gym.make_vec(env_id, num_envs=2, autoreset_mode="disabled", **arguments).unwrapped
    env.reset(seed=0)
    return env


@pytest.mark.parametrize("actions", ["top_k", "vocabulary"])
def test_the_action_of_a_candidate_writes_its_text(actions):
    env = make("lm_envs/NextWord-v0", actions=actions)
    offer = offers(env)[0]
    _, _, _, _, infos = env.step(np.array([offer.actions[3]] * 2))
    assert infos["text"][0] == offer.texts[3]
    assert offer.first == 0
    assert offer.position(offer.actions[3]) == 3
    assert offer.position(-5) == -1


def test_lines_are_candidates_with_the_models_log_probabilities():
    env = make("lm_envs/Dialogue-v0")
    offer = offers(env)[1]
    assert "What is your order number?" in offer.texts
    assert offer.first == int(env.actions_for_ranks(np.zeros(2, int))[1])


def test_reading_and_writing_are_named():
    env = make("lm_envs/Translation-v0", mode="simultaneous", actions="read_write", dense=False)
    texts = offers(env)[0].texts
    assert texts[0] == "read the next source word"
    assert texts[1].startswith("write ")
    assert offers(env)[0].first == -1


def test_parts_of_the_model_are_named_and_settings_are_no_candidates():
    offer = offers(make("lm_envs/StructureSearch-v0", passages=2))[0]
    assert offer.texts[:2] == ("stop", "remove head 0 of layer 0")
    assert offers(make("lm_envs/WeightTuning-v0", passages=2))[0].texts == ()
