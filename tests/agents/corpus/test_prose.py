import pytest

from agents.corpus.prose import MAX_WORDS, MIN_WORDS, passages, plain_texts


def test_passages_are_within_the_word_limits():
    lengths = [len(row["text"].split()) for row in passages()]
    assert MIN_WORDS <= min(lengths) <= max(lengths) <= MAX_WORDS


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("President DE GAULLE", "President DE Gaulle"),
        ("The NATO and the UK", "The NATO and the UK"),
    ],
)
def test_family_names_lose_their_capitals_and_acronyms_keep_them(text, expected):
    assert list(plain_texts({"section": {"text": text}})) == [expected]
