"""Words that wait to be read: the queue, step by step."""

import numpy as np
import pytest

from lm_envs.tasks.subtitles.waiting import waiting_words


def queue(is_shown, speed):
    """The same by its definition."""
    found, size = [], 0.0
    for shown in is_shown:
        size = max(0.0, size + shown - speed)
        found.append(size)
    return found


def test_words_join_the_queue_and_are_read_from_it():
    shown = np.array([1, 1, 0, 0, 0, 1], bool)
    np.testing.assert_allclose(waiting_words(shown, 0.75), [0.25, 0.5, 0.0, 0.0, 0.0, 0.25])


@pytest.mark.parametrize("speed", [0.3, 0.7, 1.0, 2.0])
def test_the_closed_form_is_the_recursion(speed):
    shown = np.random.default_rng(0).random((5, 40)) < 0.6
    expected = [queue(row, speed) for row in shown]
    np.testing.assert_allclose(waiting_words(shown, speed), expected, atol=1e-12)


def test_nothing_waits_for_a_reader_as_fast_as_the_speaker_or_before_the_first_word():
    assert not waiting_words(np.ones(9, bool), 1.0).any()
    assert waiting_words(np.zeros(0, bool), 0.5).shape == (0,)
