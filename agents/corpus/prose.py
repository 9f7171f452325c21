"""English prose: State of the Union addresses and Factbook paragraphs.

Owns the choice of paragraphs and passages. Knows nothing of tokens.
"""

import re
from collections.abc import Iterator
from typing import Any

from agents.corpus.sources import HELD_OUT, clean, countries, speeches
from lm_envs.tasks.splits import split_of

FIRST_YEAR_SHIPPED = 1900
MIN_WORDS, MAX_WORDS = 80, 140
PASSAGES_PER_DOCUMENT = {"train": 8, "validation": 30, "test": 30}


def documents() -> Iterator[tuple[str, str, list[str]]]:
    """Yields every document as (name, split, paragraphs of prose)."""
    for name, paragraphs in speeches():
        yield name, split_of(name, HELD_OUT), [text for text in paragraphs if _is_prose(text)]
    for code, entry in countries():
        name = f"factbook-{code}"
        yield (
            name,
            split_of(name, HELD_OUT),
            [text for text in plain_texts(entry) if _is_prose(text)],
        )


def passages() -> Iterator[dict[str, str]]:
    """Yields the shipped excerpts: whole sentences of MIN_WORDS to MAX_WORDS words in total."""
    for name, split, paragraphs in documents():
        if not name.startswith("factbook") and int(name[:4]) < FIRST_YEAR_SHIPPED:
            continue
        found = list(_cut(paragraphs))
        limit = PASSAGES_PER_DOCUMENT[split]
        stride = max(1, len(found) // limit)
        for text in found[::stride][:limit]:
            yield {"text": text, "source": name, "split": split}


def _cut(paragraphs: list[str]) -> Iterator[str]:
    words: list[str] = []
    for paragraph in paragraphs:
        for sentence in re.split(r"(?<=[.!?]) (?=[A-Z\"'])", paragraph):
            words += sentence.split()
            if len(words) >= MIN_WORDS:
                if len(words) <= MAX_WORDS:
                    yield " ".join(words)
                words = []


def plain_texts(entry: Any) -> Iterator[str]:  # noqa: ANN401 - JSON of unknown shape
    """Yields every text of a Factbook entry, cleaned."""
    if isinstance(entry, dict):
        for value in entry.values():
            yield from plain_texts(value)
    elif isinstance(entry, str):
        yield re.sub(r"\b[A-Z][A-Z']*[A-Z]\b", _as_in_prose, clean(entry))


def _as_in_prose(match: re.Match[str]) -> str:
    """Returns a family name, which the Factbook capitalizes (DE GAULLE), in lower case."""
    word = match.group(0)
    is_name = len(word) > 2 and set(word) & set("AEIOUY") and word not in _ACRONYMS
    return word.capitalize() if is_name else word


_ACRONYMS = {
    *("ANC", "ANZUS", "AQIM", "ASEAN", "AIDS", "CAR", "CIS", "COFA", "COVID", "DOE"),
    *("ECOWAS", "EEC", "EPRDF", "EUFOR", "FARC", "FIFA", "FIS", "GNU", "HAMAS", "HIV"),
    *("IDF", "III", "IMF", "ISIS", "JCPOA", "KANU", "NAFTA", "NASA", "NATO", "NGO"),
    *("NUG", "OAS", "OECD", "OPEC", "OSCE", "PLO", "PRI", "ROK", "SADC", "SFOR", "SWAPO"),
    *("TAAF", "TFG", "UAE", "UAV", "UMNO", "UNESCO", "UNHCR", "UNICEF", "UNITA", "UNMIK"),
    *("UNSC", "USA", "USD", "USMCA", "USSR", "WWII"),
}
"""Acronyms with a vowel; those without one cannot be names and are kept anyway."""


def _is_prose(text: str) -> bool:
    """Returns whether a text is whole sentences, mostly lower case, without lists or footers."""
    letters = [character for character in text if character.isalpha()]
    if len(text) < 120 or len(letters) < 0.72 * len(text) or "World Factbook" in text:
        return False
    is_sentence = text[0].isupper() and text[-1] in ".!?\"'"
    lower = sum(letter.islower() for letter in letters) / len(letters)
    return is_sentence and lower > 0.9 and text.count(";") <= 8
