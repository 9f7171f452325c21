"""Texts as lists of words, so that two texts can be compared: pure functions of text.

Owns Unicode form, what a Chinese word is, and two published ways to cut text. Knows no scores.
"""

import re
import string
import unicodedata

CJK = "\u3005\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
"""Ideographs and kana, which no space divides, as the inside of a character class."""

_CJK = re.compile(f"([{CJK}])")
_LETTERS_OR_DIGITS = re.compile(r"[^\W_]+")
_LINE_END = re.compile(r"\s*\n\s*")
_ARTICLES = re.compile(r"\b(a|an|the)\b")
_CJK_PUNCTUATION = (
    "\u3001-\u3003\u3008-\u3020\u3030\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65"
)
_PUNCTUATION = re.compile(f"[{re.escape(string.punctuation)}{_CJK_PUNCTUATION}]")


def normalized(text: str) -> str:
    """The text in NFC: one code point for an accented letter, however it was typed.

    Two forms of the same word share no character n-gram otherwise.
    """
    return unicodedata.normalize("NFC", text)


def one_line(text: str) -> str:
    """The text with a space in the place of each line end and the blanks around it."""
    return _LINE_END.sub(" ", text.strip()) if "\n" in text else text


def has_cjk(text: str) -> bool:
    """Whether a Chinese or Japanese character stands in the text."""
    return _CJK.search(text) is not None


def plain_words(text: str) -> list[str]:
    """Lower-case runs of letters and digits; a CJK character is a word of its own.

    On ASCII these are the words of Google's `rouge_score`, which drops all other letters.
    """
    return _LETTERS_OR_DIGITS.findall(_spaced(text.lower()))


def answer_words(text: str) -> list[str]:
    """Lower-case words without punctuation and articles; a CJK character is a word of its own.

    Source: the official SQuAD v1.1 script, `normalize_answer`, https://arxiv.org/abs/1606.05250;
    we add the division of CJK text, and CJK punctuation to what is dropped.
    """
    without = _PUNCTUATION.sub("", text.lower())
    return _spaced(_ARTICLES.sub(" ", without)).split()


def _spaced(text: str) -> str:
    return _CJK.sub(r" \1 ", text)
