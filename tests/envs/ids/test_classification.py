"""The defaults of `lm_envs/Classification-v0`."""

import gymnasium as gym
import numpy as np
import pytest

from tests.envs.helpers import make

ID = "lm_envs/Classification-v0"


@pytest.mark.parametrize(
    ("kind", "last"), [("sentiment", "Sentiment:"), ("language", "Language:"), ("topic", "Topic:")]
)
def test_the_prompt_is_a_text_and_the_name_of_the_label(kind, last):
    env = make(1, env_id=ID, kind=kind)
    prompt = env.reset(seed=0)[1]["prompt"][0]
    assert prompt.startswith("Text: ")
    assert prompt.endswith("\n" + last)
    assert env.single_action_space == gym.spaces.Discrete(16)


def test_labels_to_choose_from_are_in_alphabetical_order():
    env = make(1, env_id=ID, kind="sentiment", actions="choices")
    env.reset(options={"index": 0})
    labels = [option.text for option in env.task.options(env.episodes.examples[0], [])]
    assert labels == sorted(labels)
    assert env.single_action_space == gym.spaces.Discrete(len(labels))
    *_, infos = env.step(np.array([labels.index("positive")]))
    assert infos["scores"]["accuracy"][0] == 1.0


def reading(num_envs=1, actions="choices", **options):
    """Rows that read a text; the last action of `choices` reads on."""
    arguments = {"mode": "sequential", "actions": actions, "split": "validation[25%:]"}
    return make(num_envs, env_id=ID, **arguments | options)


def test_reading_shows_the_next_words_and_a_label_ends_the_episode():
    env = reading(2)
    assert env.single_action_space == gym.spaces.Discrete(9)
    prompts = env.reset(options={"index": np.array([0, 3])})[1]["prompt"]
    assert list(prompts) == ["Text: about\nTopic:", "Text: in\nTopic:"]
    _, rewards, terminated, _, infos = env.step(np.array([8, 8]))
    assert infos["reply"].tolist() == ["eight", "the"]
    np.testing.assert_allclose(rewards, -0.3 * np.array([2 / 15, 2 / 21]))
    assert not terminated.any()
    assert env.tokenizer.decode(env.episodes.contexts_of([0])[0]) == "Text: about eight\nTopic:"
    _, rewards, terminated, _, infos = env.step(np.array([3, 8]))
    assert terminated.tolist() == [True, False]
    assert rewards[0] == 1.0
    assert infos["scores"]["read"][0] == 2 / 15


def test_a_text_is_read_to_its_end_and_then_only_labels_are_offered():
    env = reading()
    env.reset(options={"index": 0})
    for _ in range(14):
        assert env.action_masks()[0].all()
        *_, terminated, _, _ = env.step(np.array([8]))
        assert not terminated[0]
    assert env.action_masks()[0].tolist() == [*[True] * 8, False]
    assert env.transcripts[0].replies[-1].text == "Texas"


def test_the_model_reads_the_new_words_only():
    env = reading(actions={"kind": "choices", "scores": False}, prompt_cache=0)
    env.reset(options={"index": 0})
    for _ in range(8):
        before = env.engine.num_forward_tokens
        env.step(np.array([8]))
        line, words = 1, len(env.tokenizer.encode(f" {env.episodes.new_replies[0]}\nTopic:"))
        assert env.engine.num_forward_tokens - before == line + words


def test_tokens_can_read_on_and_write_the_label():
    env = reading(actions="vocabulary")
    env.reset(options={"index": 0})
    (read,) = env.tokenizer.encode_completion("read")
    *_, infos = env.step(np.array([read]))
    assert infos["reply"][0] == "eight"
    label = [*env.tokenizer.encode_completion("geography"), env.engine.end_token]
    for token in label:
        _, _, terminated, _, infos = env.step(np.array([token]))
    assert terminated[0]
    assert infos["scores"]["accuracy"][0] == 1.0


def test_a_restored_state_reads_on_as_the_first_time():
    env = reading(2)
    env.reset(options={"index": np.array([0, 3])})
    env.step(np.array([8, 8]))
    state, seen = env.get_state(), []
    for _ in range(2):
        env.set_state(state)
        observations, rewards, *_ = env.step(np.array([8, 0]))
        seen.append((observations, rewards))
    np.testing.assert_array_equal(seen[0][0], seen[1][0])
    np.testing.assert_array_equal(seen[0][1], seen[1][1])
