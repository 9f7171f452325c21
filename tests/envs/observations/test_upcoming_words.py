"""What an agent hears and sees of live subtitles."""

import numpy as np

from tests.envs.helpers import make

ID = "lm_envs/LiveSubtitles-v0"


def made(ahead=1, **options):
    actions = {"kind": "show_words", "ahead": ahead}
    return make(2, env_id=ID, actions=actions, observation="candidates", **options)


def column(env, observations, name):
    return observations[:, env.single_observation_space.columns[name]]


def test_the_present_word_and_those_ahead_are_shown():
    env = made(ahead=2)
    observations, _ = env.reset(options={"index": [0, 1]})
    observations = env.step(np.array([1, 0]))[0]
    for row in range(2):
        spoken = env.task.spoken(env.episodes.examples[row])
        tokens, information = spoken.tokens[1:4], spoken.information[1:4]
        sizes = column(env, observations, "word_tokens")[row]
        assert sizes.tolist() == [len(each) for each in tokens]
        shares = column(env, observations, "word_information")[row]
        np.testing.assert_allclose(shares, information * 32, rtol=1e-5)
        logprobs = column(env, observations, "word_logprobs")[row]
        np.testing.assert_allclose(logprobs, env.actions.word_logprobs[row] / 5.0, rtol=1e-5)


def test_a_word_has_the_same_embedding_as_the_present_and_as_the_next_one():
    env = made()
    before, _ = env.reset(seed=0)
    after = env.step(np.array([0, 1]))[0]
    size = column(env, before, "word_embeddings").shape[1] // 2
    ahead = column(env, before, "word_embeddings")[:, size:]
    np.testing.assert_array_equal(column(env, after, "word_embeddings")[:, :size], ahead)
    assert 0.3 < np.linalg.norm(ahead, axis=1).mean() < 3.0


def test_decisions_and_waiting_words_are_counted():
    env = made(reading_speed=0.5)
    env.reset(seed=0)
    for actions in ([1, 0], [1, 0], [0, 1]):
        observations = env.step(np.array(actions))[0]
    assert column(env, observations, "recently_shown").tolist() == [[0, 1, 1], [1, 0, 0]]
    np.testing.assert_allclose(column(env, observations, "waiting")[:, 0], [0.5, 0.5])
    np.testing.assert_allclose(column(env, observations, "shown_share")[:, 0], [2 / 3, 1 / 3])
    np.testing.assert_allclose(column(env, observations, "words_left")[:, 0], 29 / 32)


def test_after_the_last_word_nothing_is_heard():
    env = made(spoken_words=2)
    env.reset(seed=0)
    observations = env.step(np.ones(2, int))[0]
    assert (column(env, observations, "word_tokens")[:, 1] == 0).all()  # none ahead
    observations = env.step(np.ones(2, int))[0]
    for name in ("word_embeddings", "word_information", "word_tokens", "word_logprobs"):
        assert not column(env, observations, name).any()
    assert (column(env, observations, "words_left") == 0).all()
