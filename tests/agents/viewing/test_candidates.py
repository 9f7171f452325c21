import gymnasium as gym
import numpy as np
import pytest

import lm_envs
from agents.viewing.candidates import offers, token_text

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
    source = env.episodes.examples[0]
    words = [env.task.source_word(source, n) for n in range(env.task.num_source_words(source))]
    texts = offers(env)[0].texts
    assert texts[0] == f"read {words[1]!r}"  # the first one is read at the start
    assert texts[1].startswith("write ")
    assert offers(env)[0].first == -1
    for _ in words[1:]:
        env.step(np.zeros(2, int))
    assert offers(env)[0].texts[0] == offers(env)[0].texts[1]  # there is nothing left to read


def test_the_spoken_word_is_named():
    env = make("lm_envs/LiveSubtitles-v0")
    word = env.actions.next_words()[0]
    assert offers(env)[0].texts == (f"leave out {word!r}", f"show {word!r}")
    assert offers(env)[0].first == -1


def test_parts_of_the_model_are_named_and_settings_are_no_candidates():
    offer = offers(make("lm_envs/StructureSearch-v0", passages=2))[0]
    assert offer.texts[:2] == ("stop", "remove head 0 of layer 0")
    assert offers(make("lm_envs/WeightTuning-v0", passages=2))[0].texts == ()


def test_bytes_of_incomplete_characters_are_shown():
    env = make("lm_envs/NextWord-v0")
    token, *_ = env.tokenizer.encode("國").tolist()
    assert token_text(env, token).startswith(r"\xe5")
