"""Texts in the forms in which scores compare them. Pure functions of one text.

Owns Unicode form, the division of Chinese and Japanese text into words, and the word lists of ROUGE
and SQuAD. Knows nothing of scores.
"""

import re
import string
import unicodedata
from itertools import groupby

CJK = "\u3005\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
"""Ideographs and kana, which are not separated by spaces, for use inside a character class."""


def _combining_marks() -> str:
    r"""Returns all combining marks as ranges for use inside a character class.

    `\w` does not match them, although they are parts of words: vowels of Hindi, Thai, Bengali and
    Burmese, points of Hebrew, tones of Yoruba.
    """
    planes = (*range(0x20000), *range(0xE0100, 0xE01F0))  # no other plane has any
    marks = [code for code in planes if unicodedata.category(chr(code)).startswith("M")]
    # Consecutive code points have the same difference to their position in the list.
    runs = groupby(enumerate(marks), lambda pair: pair[1] - pair[0])
    ranges = ([code for _, code in run] for _, run in runs)
    return "".join(f"{chr(run[0])}-{chr(run[-1])}" for run in ranges)


_MARKS = _combining_marks()
_CJK = re.compile(f"([{CJK}][{_MARKS}]*)")
_WORD = re.compile(rf"[^\W_]+(?:[{_MARKS}]+[^\W_]*)*")
_LINE_END = re.compile(r"\s*\n\s*")
_ARTICLES = re.compile(rf"\b(?<![{_MARKS}])(a|an|the)\b(?![{_MARKS}])")
_CJK_PUNCTUATION = (
    "\u3001-\u3003\u3008-\u3020\u3030\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65"
)
_OTHER_PUNCTUATION = "".join(
    chr(code) for code in range(0x80, 0x3000) if unicodedata.category(chr(code)).startswith("P")
)
"""Of other scripts, and typographic: the Spanish, Arabic, Hindi and Greek marks, « », ’ and …."""

_PUNCTUATION = re.compile(
    f"[{re.escape(string.punctuation)}{_CJK_PUNCTUATION}{re.escape(_OTHER_PUNCTUATION)}]"
)


def to_nfc(text: str) -> str:
    """Returns the text in Unicode form NFC: one code point for an accented letter.

    Without it, two spellings of the same word can have no character n-gram in common.
    """
    return unicodedata.normalize("NFC", text)


def normalize_label(text: str) -> str:
    """Returns the text in NFC, without outer spaces, case folded, for the comparison of labels."""
    return to_nfc(text).strip().casefold()


def normalize_answer(text: str) -> tuple[str, ...]:
    """Returns a key that is equal for two texts which `exact_match` or `accuracy` takes for equal.

    Case, Unicode form, outer spaces, punctuation and articles make no difference, unless the text
    consists of nothing else.
    """
    label = normalize_label(text)
    return tuple(squad_words(label)) or (label,)


def one_line(text: str) -> str:
    """Returns the text with each line end and the spaces around it replaced by one space."""
    return _LINE_END.sub(" ", text.strip()) if "\n" in text else text


def has_cjk(text: str) -> bool:
    """Returns whether the text contains a Chinese or Japanese character."""
    return _CJK.search(text) is not None


def rouge_words(text: str) -> list[str]:
    """Returns lower-case runs of letters, their combining marks, and digits.

    Each CJK character is one word. For ASCII text these are the words of Google's `rouge_score`.
    That package drops all other letters; this function keeps them.
    Source: https://github.com/google-research/google-research/tree/master/rouge
    """
    return _WORD.findall(_separate_cjk(text.lower()))


def squad_words(text: str) -> list[str]:
    """Returns lower-case words without punctuation and articles; each CJK character is one word.

    Source: the official SQuAD v1.1 script, `normalize_answer`, https://arxiv.org/abs/1606.05250;
    the division of CJK text and the removal of punctuation outside ASCII are additions. A text of
    nothing else, such as "+" or "the", keeps it: the official script has no words to compare.
    """
    lower = text.lower()
    without = _PUNCTUATION.sub("", lower)
    return _separate_cjk(_ARTICLES.sub(" ", without)).split() or without.split() or lower.split()


def _separate_cjk(text: str) -> str:
    return _CJK.sub(r" \1 ", text)
