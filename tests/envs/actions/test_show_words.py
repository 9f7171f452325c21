"""Live subtitles: what is shown, how it is scored, and what a state restores."""

import numpy as np
import pytest

from lm_envs.envs.actions.show_words import LEAVE_OUT, SHOW
from tests.envs.helpers import make

ID = "lm_envs/LiveSubtitles-v0"


def made(num_envs=3, **options):
    return make(num_envs, env_id=ID, **options)


def finish(env, act):
    """Steps to the end; returns the total reward and the transcript of each row."""
    totals = np.zeros(env.num_envs)
    for _ in range(env.task.spoken_words):
        _, rewards, terminated, _, _ = env.step(act(env))
        totals += rewards
    assert terminated.all()
    return totals, env.transcripts


def test_every_word_is_shown_by_the_oracle():
    env = made()
    env.reset(options={"index": [0, 1, 2]})
    totals, transcripts = finish(env, lambda env: env.oracle_actions())
    for total, transcript in zip(totals, transcripts, strict=True):
        assert transcript.text == transcript.reference
        assert transcript.scores["content"] == pytest.approx(1.0)
        assert total == pytest.approx(transcript.scores["reward"])
        assert transcript.ending == "complete"


def test_nothing_is_shown_and_the_episode_ends_all_the_same():
    env = made()
    env.reset(options={"index": [0, 1, 2]})
    totals, transcripts = finish(env, lambda env: np.full(3, LEAVE_OUT))
    assert [each.text for each in transcripts] == ["", "", ""]
    np.testing.assert_array_equal(totals, 0.0)
    assert set(transcripts[0].scores.values()) == {0.0}


def test_words_that_are_left_out_are_not_read_by_the_model():
    env = made(1, spoken_words=3)
    env.reset(options={"index": 0})
    words = env.task.spoken(env.episodes.examples[0]).tokens
    for action in (SHOW, LEAVE_OUT, SHOW):
        env.step(np.array([action]))
    context = np.concatenate([env.episodes.examples[0].prompt, words[0], words[2]])
    np.testing.assert_array_equal(env.episodes.contexts[0, : len(context)], context)
    assert env.engine.lengths[0] == len(context)
    expected = env.engine.score([context])[0][-len(words[2]) :]
    found = env.episodes.logprobs[0, len(words[0]) : env.episodes.counts[0]]
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_the_model_tells_what_it_expects_of_both_decisions():
    env = made(3)
    env.reset(options={"index": [0, 1, 2]})
    for actions in ([SHOW, LEAVE_OUT, SHOW], [LEAVE_OUT, SHOW, SHOW]):
        env.step(np.array(actions))
        for row in range(3):
            words = env.task.spoken(env.episodes.examples[row]).tokens
            present, following = words[env.episodes.steps[row] :][:2]
            context = env.episodes.contexts_of(np.array([row]))[0]
            both = env.engine.score([np.concatenate([context, present, following])])[0]
            without = env.engine.score([np.concatenate([context, following])])[0]
            place = len(context)
            expected = both[place], both[place + len(present)], without[place]
            np.testing.assert_allclose(env.actions.word_logprobs[row], expected, atol=1e-4)


def test_nothing_is_expected_after_the_last_word():
    env = made(2, spoken_words=2)
    env.reset(seed=0)
    env.step(np.array([SHOW, LEAVE_OUT]))
    assert (env.actions.word_logprobs[:, 0] < 0).all()
    assert not env.actions.word_logprobs[:, 1:].any()
    env.step(np.array([SHOW, LEAVE_OUT]))
    assert not env.actions.word_logprobs.any()


def test_a_word_that_was_tried_and_left_out_leaves_no_trace():
    first, second = made(2), made(2)
    for env in (first, second):
        env.reset(options={"index": 0})
    first.step(np.array([SHOW, LEAVE_OUT]))
    second.step(np.array([LEAVE_OUT, SHOW]))  # the other way round: the rows swap
    np.testing.assert_array_equal(first.observe(), second.observe()[::-1])
    np.testing.assert_array_equal(first.outputs.hidden, second.outputs.hidden[::-1])
    assert (first.outputs.hidden[0] != first.outputs.hidden[1]).any()


def test_the_rule_shows_words_as_fast_as_readers_read():
    env = made(2, reading_speed=0.5)
    env.reset(seed=0)
    rule = env.rule_policies()["while readers follow"]
    finish(env, lambda env: rule())
    for row in range(2):
        shown = np.zeros(32, bool)
        shown[env.episodes.steps_of[row, : env.episodes.counts[row]]] = True
        assert shown[:2].all()  # then one word waits, and is read while the next is left out
        assert shown[2:].sum() == 15


def test_the_present_word_is_named_and_none_after_the_last():
    env = made(1)
    env.reset(options={"index": 0})
    words = env.task.word_texts(env.episodes.examples[0])
    assert env.actions.next_words() == [words[0]]
    finish(env, lambda env: np.array([SHOW]))
    assert env.actions.next_words() == [""]


def test_a_restored_state_goes_on_with_the_same_numbers():
    first, second = made(), made()
    rng = np.random.default_rng(0)
    plan = rng.integers(2, size=(20, 3))
    first.reset(seed=3)
    for actions in plan[:12]:
        first.step(actions)
    observations = second.set_state(first.get_state())
    np.testing.assert_array_equal(observations, first.observe())
    for actions in plan[12:]:
        expected, found = first.step(actions), second.step(actions)
        np.testing.assert_array_equal(found[0], expected[0])
        np.testing.assert_array_equal(found[1], expected[1])
    second.step(1 - plan[0])
    first.step(plan[0])
    assert (first.observe() != second.observe()).any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"actions": "top_k"}, "works with actions='show_words' only"),
        ({"actions": {"kind": "show_words", "ahead": 0}}, "ahead"),
    ],
)
def test_bad_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        made(1, **options)


def test_other_tasks_have_no_spoken_words():
    with pytest.raises(ValueError, match="allowed: the task 'live_subtitles'"):
        make(1, actions="show_words")
