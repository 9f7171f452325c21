"""Parts of passages, and the information of words."""

import math

import pytest

from lm_envs.tasks.subtitles.words import WordInformation, speeches

TEXT = "a b c  d\ne f g h"


def test_a_passage_is_divided_into_parts_behind_their_context():
    found = list(speeches(TEXT, context_words=2, spoken_words=3, stride=3))
    assert [each.context for each in found] == ["a b", "d e"]
    assert [each.words for each in found] == [(" c", " d", " e"), (" f", " g", " h")]
    assert [each.text for each in found] == ["c d e", "f g h"]


def test_a_smaller_stride_makes_parts_with_words_in_common():
    found = list(speeches(TEXT, context_words=2, spoken_words=3, stride=1))
    assert [each.text for each in found] == ["c d e", "d e f", "e f g", "f g h"]
    assert [each.context for each in found] == ["a b", "b c", "c d", "d e"]


@pytest.mark.parametrize(("context", "spoken", "count"), [(2, 6, 1), (3, 6, 0), (1, 7, 1)])
def test_words_that_are_left_over_make_no_part(context, spoken, count):
    assert len(list(speeches(TEXT, context, spoken, spoken))) == count


def test_chinese_characters_are_words_without_blanks():
    (found,) = speeches("今天天气很好。", context_words=2, spoken_words=3, stride=3)
    assert found.context == "今天"
    assert found.words == ("天", "气", "很")


def test_rare_words_carry_more_information():
    information = WordInformation(["the the the war", "the peace"])
    shares = information.shares([" The", " war,", " Chad", " –"])
    logs = [-math.log(count / 6.5) for count in (4.0, 1.0, 0.5)]
    assert shares == pytest.approx([each / sum(logs) for each in logs] + [0.0])


def test_a_hyphenated_word_carries_the_information_of_its_parts():
    information = WordInformation(["one two three four"])
    first, second = information.shares([" one-two", " three"])
    assert first == pytest.approx(2 * second)


def test_words_without_information_have_equal_shares():
    assert WordInformation(["a"]).shares([" –", " …"]) == [0.5, 0.5]
