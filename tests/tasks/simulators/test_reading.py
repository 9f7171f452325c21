import pytest

from lm_envs.tasks.data.word_prefixes import word_prefixes
from lm_envs.tasks.simulators.reading import Reading

PREFIXES = word_prefixes("one two three four five")


def test_each_reading_shows_further_words_until_the_text_is_complete():
    reading = Reading(first_words=1, read_words=3)
    assert reading.stages(PREFIXES) == ("one", "one two three four", "one two three four five")
    assert [reading.is_complete(PREFIXES, count) for count in range(4)] == [
        *(False, False, True, True)
    ]
    assert reading.new_words(PREFIXES, 1) == "two three four"
    assert reading.new_words(PREFIXES, 2) == "five"


def test_the_share_is_that_of_the_words_shown():
    reading = Reading(2, 2)
    assert [reading.share(PREFIXES, count) for count in range(4)] == [0.4, 0.8, 1.0, 1.0]


@pytest.mark.parametrize(("words", "readings"), [(0, 0), (2, 0), (3, 1), (5, 1), (6, 2)])
def test_a_text_of_some_words_is_complete_after_as_many_readings(words, readings):
    assert Reading(2, 3).most_readings(words) == readings


def test_a_short_text_is_complete_at_the_start():
    assert Reading(9, 1).stages(PREFIXES) == ("one two three four five",)
