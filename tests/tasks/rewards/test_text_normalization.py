import pytest

from lm_envs.tasks.rewards import text_normalization


def test_nfc_joins_a_letter_and_its_accent():
    assert text_normalization.to_nfc("e\u0301te\u0301") == "\u00e9t\u00e9"


def test_labels_ignore_case_outer_spaces_and_unicode_form():
    assert text_normalization.normalize_label(" E\u0301T\u00c9\n") == "\u00e9t\u00e9"


@pytest.mark.parametrize(
    ("text", "expected"), [("a \r\n b\n", "a b"), ("a  b", "a  b"), ("\n\na\n\n\nb", "a b")]
)
def test_one_line_replaces_line_ends_and_keeps_other_spaces(text, expected):
    assert text_normalization.one_line(text) == expected


@pytest.mark.parametrize(("text", "expected"), [("天气", True), ("カナ", True), ("été", False)])
def test_cjk_characters_are_found(text, expected):
    assert text_normalization.has_cjk(text) is expected


def test_rouge_words_separate_cjk_and_keep_articles():
    assert text_normalization.rouge_words("The cat's 天气, 7!") == [
        "the",
        "cat",
        "s",
        "天",
        "气",
        "7",
    ]


def test_squad_words_drop_punctuation_and_articles():
    assert text_normalization.squad_words("The cat's 天气。, a 7!") == ["cats", "天", "气", "7"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("हिन्दी की किताब", ["हिन्दी", "की", "किताब"]),
        ("น้ำ ดี", ["น้ำ", "ดี"]),
        ("שָׁלוֹם, עוֹלָם", ["שָׁלוֹם", "עוֹלָם"]),
        ("ọ̀rọ̀ ọ̀nà", ["ọ̀rọ̀", "ọ̀nà"]),
        ("❤\ufe0f a_b", ["a", "b"]),
        ("か\u309a", ["か\u309a"]),
        ("葛\U000e0100城\U000e01ef", ["葛\U000e0100", "城\U000e01ef"]),
    ],
)
def test_rouge_words_keep_combining_marks(text, expected):
    """Regression: marks were dropped and divided their words."""
    expected = [text_normalization.to_nfc(word) for word in expected]
    assert text_normalization.rouge_words(text_normalization.to_nfc(text)) == expected


def test_a_letter_with_a_combining_mark_is_no_article():
    assert text_normalization.squad_words("a\u0331 x\u0331a a") == ["a\u0331", "x\u0331a"]


def test_punctuation_of_other_scripts_is_dropped():
    """Regression: only ASCII and CJK marks were."""
    found = text_normalization.squad_words("« l’été » ¿qué? ماذا؟ क्या। so… fin")
    assert found == ["lété", "qué", "ماذا", "क्या", "so", "fin"]


@pytest.mark.parametrize(
    ("text", "words"), [("The.", ["the"]), ("+", ["+"]), ("- +", ["-", "+"]), (" ", [])]
)
def test_a_text_of_articles_or_punctuation_only_keeps_them(text, words):
    assert text_normalization.squad_words(text) == words
