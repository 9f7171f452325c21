import pytest

from agents.corpus import rule_words
from agents.corpus.rule_words import Phrase, words


@pytest.mark.parametrize(
    ("phrase", "expected"),
    [
        (Phrase("the", "children", "they"), "are were have do them their the children's"),
        (Phrase("", "Anna", "she"), "is was has does her her Anna's"),
        (Phrase("our", "neighbours", "they"), "are were have do them their our neighbours'"),
        (Phrase("the", "king", "he"), "is was has does him his the king's"),
    ],
)
def test_forms_agree_with_the_phrase(phrase, expected):
    forms = (phrase.be, phrase.was, phrase.has, phrase.does, phrase.him, phrase.his, phrase.gen)
    assert " ".join(forms) == expected
    assert f"it belong{phrase.s}" == ("it belong" if phrase.is_plural else "it belongs")


@pytest.mark.parametrize(
    "all_words",
    [
        *(rule_words.PEOPLE, rule_words.THINGS, rule_words.ACTIONS, rule_words.DEEDS),
        *(rule_words.TIMES, rule_words.PLACES, rule_words.QUALITIES, rule_words.STATES),
        *(rule_words.LONG_QUALITIES, rule_words.OWN_THINGS, rule_words.DURATIONS),
    ],
)
def test_solved_examples_and_texts_share_no_word_of_a_list(all_words):
    shown, asked = (list(map(str, words(all_words, is_shown=each))) for each in (True, False))
    assert sorted(shown + asked) == sorted(map(str, all_words))
    assert not set(shown) & set(asked)
