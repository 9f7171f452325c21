"""Fields of the CIA World Factbook by country, cut to a sentence each, with marked answers.

Owns which fields there are, how they are cut, and which parts of them are answers. Countries are
held out as a whole: those whose facts the embedded model has read are in "train", all others in
"validation" or "test". Knows no question.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from agents.corpus.countries.links import largest
from agents.corpus.facts import COUNTRIES, HELD_OUT_COUNTRIES, country_name, factbook_text
from agents.corpus.sources import countries, held_out_split

Path = tuple[str, ...]

LISTS: dict[str, Path] = {
    "Major urban areas": ("People and Society", "Major urban areas - population"),
    "Border countries": ("Geography", "Land boundaries", "border countries"),
    "Exports - partners": ("Economy", "Exports - partners"),
    "Imports - partners": ("Economy", "Imports - partners"),
    "Exports - commodities": ("Economy", "Exports - commodities"),
    "Imports - commodities": ("Economy", "Imports - commodities"),
    "Agricultural products": ("Economy", "Agricultural products"),
    "Natural resources": ("Geography", "Natural resources"),
}
"""Fields that are lists, by their labels, and where they stand in an entry."""

_ELEVATION, _AGES, _SECTORS = (
    ("Geography", "Elevation"),
    ("People and Society", "Age structure"),
    ("Economy", "GDP - composition, by sector of origin"),
)
PARTS: tuple[dict[str, Path], ...] = (
    {"Capital": ("Government", "Capital", "name")},
    {
        "Highest point": (*_ELEVATION, "highest point"),
        "lowest point": (*_ELEVATION, "lowest point"),
    },
    {name: (*_AGES, name) for name in ("0-14 years", "15-64 years", "65 years and over")},
    {"Urban population": ("People and Society", "Urbanization", "urban population")},
    {
        "GDP - agriculture": (*_SECTORS, "agriculture"),
        "industry": (*_SECTORS, "industry"),
        "services": (*_SECTORS, "services"),
    },
)
"""Fields of one or more parts, by the labels of the parts."""

LONGEST_LISTS = {"Border countries": 5}
LONGEST_LIST = 3
"""Items of a list that are kept, from its beginning."""

LONGEST_ITEM, LONGEST_GOOD = 40, 32
"""Characters of an item or a part, and of a good that is an answer."""

_REMARK = re.compile(r"\s*\([^()]*\)")
_CAPITALS = re.compile(r"\b[A-Z][A-Z']+\b")
_SHARES = re.compile(r"((?:0-14 years|65 years and over|Urban population): )([\d.]+%)")
_HEIGHTS = re.compile(r"(Highest point: )(.+?)(,? [\d.,]+ m; lowest point: )(.+?)(,? -?[\d.,]+ m)")


def rows() -> Iterator[dict[str, Any]]:
    """Yields one row per country: subject, fields, split. Answers stand in square brackets."""
    entries = dict(countries())
    for codes, is_trained in ((COUNTRIES, True), (HELD_OUT_COUNTRIES, False)):
        for code in sorted(set(codes) & set(entries)):
            name = country_name(code, entries[code])
            split = "train" if is_trained else held_out_split(name)
            yield {"subject": name, "fields": list(_fields(entries[code])), "split": split}


def _fields(entry: dict[str, Any]) -> Iterator[str]:
    for label, path in LISTS.items():
        mark = "; " if label == "Border countries" else ", "
        items = [item for item in _plain(factbook_text(entry, path)).split(mark) if item]
        marked = _MARKED.get(label, list)(items)[: LONGEST_LISTS.get(label, LONGEST_LIST)]
        if marked and max(map(len, marked)) <= LONGEST_ITEM:
            yield f"{label}: {mark.join(marked)}"
    for parts in PARTS:
        texts = {label: _plain(factbook_text(entry, path)) for label, path in parts.items()}
        if all(0 < len(text) <= LONGEST_ITEM for text in texts.values()):
            text = "; ".join(f"{label}: {text}" for label, text in texts.items())
            text = re.sub(r"(Capital: )([^,;]+)$", r"\1[\2]", text)
            text = _HEIGHTS.sub(r"\1[\2]\3[\4]\5", text)
            yield _SHARES.sub(r"\1[\2]", text)


def _plain(text: str) -> str:
    """Returns a text up to its notes, without remarks in brackets."""
    text = re.split(r"\bnote\b|<", text.replace("[", "(").replace("]", ")"))[0]
    return _REMARK.sub("", _REMARK.sub("", text)).strip(" ;,.-")


def _without_capitals(items: Sequence[str]) -> list[str]:
    """Writes the names of capitals like those of other cities."""
    return [_CAPITALS.sub(lambda word: word[0].title(), item) for item in items]


def _first_marked(items: Sequence[str]) -> list[str]:
    """Marks the first of the items, the one of the largest value or weight."""
    is_short = bool(items) and len(items[0]) <= LONGEST_GOOD and ";" not in items[0]
    return [f"[{items[0]}]", *items[1:]] if is_short else list(items)


def _longest_marked(items: Sequence[str]) -> list[str]:
    """Marks the country with the longest border, if it is among the items under its own name."""
    found = largest("; ".join(items))
    return [re.sub(rf"^{re.escape(found or '-')}(?= \d)", f"[{found}]", item) for item in items]


def _largest_marked(items: Sequence[str]) -> list[str]:
    """Marks the country with the largest share, unless the second has as large a one."""
    shares = [int(share) for item in items[:2] for share in re.findall(r" (\d+)%", item)]
    if len(shares) < 2 or shares[0] == shares[1]:
        return list(items)
    return [re.sub(r"^(.+)( \d+%)", r"[\1]\2", items[0]), *items[1:]]


_MARKED: dict[str, Callable[[Sequence[str]], list[str]]] = {
    "Major urban areas": _without_capitals,
    "Border countries": _longest_marked,
    **dict.fromkeys(("Exports - partners", "Imports - partners"), _largest_marked),
    **dict.fromkeys(("Exports - commodities", "Imports - commodities"), _first_marked),
    "Agricultural products": _first_marked,
}
"""Marks answers in the items of a list."""
