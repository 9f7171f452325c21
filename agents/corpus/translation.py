"""English-French and English-Chinese pairs: phrases of the Unicode CLDR, and template sentences.

Owns the choice of facts, each of which has the same split in both languages.

Source: the Common Locale Data Repository, read through babel.
"""

import datetime
import itertools
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Literal

import numpy as np
from babel import Locale, dates, lists, numbers, units

from agents.corpus.sources import HELD_OUT, held_out_split
from lm_envs.tasks.splits import split_of

LOCALES = {"fr": "fr", "zh": "zh_Hans"}
UNITS = (
    "kilometer",
    "meter",
    "kilogram",
    "liter",
    "hour",
    "minute",
    "day",
    "week",
    "month",
    "year",
)
NAME_KINDS = ("territories", "languages", "currencies")
NAMES_PER_KIND = 300
RELATIVE_TIMES: tuple[tuple[Literal["minute", "hour", "day", "week", "year"], str, int], ...] = (
    *(("minute", "minutes", 1), ("hour", "hours", 1), ("day", "days", 1)),
    *(("week", "days", 7), ("year", "days", 365)),
)
"""Unit of the phrase, and the argument of `timedelta` with its factor."""

NOUNS = (
    *(("the house", "la maison", "房子"), ("the book", "le livre", "书")),
    *(("the dog", "le chien", "狗"), ("the cat", "le chat", "猫")),
    *(("the car", "la voiture", "汽车"), ("the school", "l'école", "学校")),
    *(("the city", "la ville", "城市"), ("the garden", "le jardin", "花园")),
    *(("the river", "la rivière", "河"), ("the train", "le train", "火车")),
    *(("the teacher", "le professeur", "老师"), ("the doctor", "le médecin", "医生")),
)
ADJECTIVES = (
    *(("beautiful", ("beau", "belle"), "很美"), ("big", ("grand", "grande"), "很大")),
    *(("small", ("petit", "petite"), "很小"), ("old", ("vieux", "vieille"), "很旧")),
    *(("new", ("nouveau", "nouvelle"), "很新"), ("good", ("bon", "bonne"), "很好")),
)
SENTENCES = (
    ("I see {}.", "Je vois {}.", "我看见{}。"),
    ("We like {}.", "Nous aimons {}.", "我们喜欢{}。"),
    ("Where is {}?", "Où est {} ?", "{}在哪里？"),
    ("She is looking for {}.", "Elle cherche {}.", "她在找{}。"),
    ("I do not see {}.", "Je ne vois pas {}.", "我没看见{}。"),
)


LISTING_SENTENCES = (SENTENCES[0], SENTENCES[1], SENTENCES[3])
"""Patterns that take two nouns."""
LISTED_NOUNS = NOUNS[::2]
PAIRED_ADJECTIVES = (ADJECTIVES[1::-1], ADJECTIVES[2:4])
THINGS = (*NOUNS[:2], *NOUNS[4:8], NOUNS[9])
"""Nouns that can be small and old, or big and beautiful, in all three languages."""


def pairs() -> Iterator[dict[str, str]]:
    """Yields rows source, target, pair, kind, split; the split depends on the fact only."""
    yield from trained_pairs()
    yield from _held_out_pairs()


def trained_pairs() -> Iterator[dict[str, str]]:
    """Yields the rows that existed when the embedded model was trained, in all three splits."""
    for row, fact in _rows(_trained_facts()):
        yield row | {"split": split_of(fact, HELD_OUT)}


def _held_out_pairs() -> Iterator[dict[str, str]]:
    """Yields rows of further facts, all held out, none a reordering of a fact trained on."""
    known = list(_rows(_trained_facts()))
    sources = {row["source"] for row, _ in known}
    facts = {frozenset(fact.split()) for _, fact in known}
    for row, fact in _rows(_held_out_facts()):
        if row["source"] not in sources and frozenset(fact.split()) not in facts:
            yield row | {"split": held_out_split(fact)}


Fact = tuple[str, str, str, dict[str, str]]
"""Kind, key, English text, and the texts of the other languages."""


def _trained_facts() -> Iterator[Fact]:
    amounts = np.random.default_rng(1).integers(1, 5000, 400).tolist()
    return itertools.chain(
        _dates(np.random.default_rng(0), 1200),
        _amounts(amounts),
        _units(range(1, 90)),
        _relative(range(1, 60)),
        *(_names(kind, _codes(kind)[:NAMES_PER_KIND]) for kind in NAME_KINDS),
        _lists(np.random.default_rng(2), 500),
        _sentences(),
    )


def _held_out_facts() -> Iterator[Fact]:
    amounts = np.random.default_rng(4).integers(1, 5000, 64).tolist()
    more = [code for code in _codes("languages")[NAMES_PER_KIND:] if len(code) == 2]
    return itertools.chain(
        _dates(np.random.default_rng(3), 165),
        _amounts(amounts),
        _units(range(90, 104)),
        _relative(range(60, 67)),
        _names("languages", more),
        _lists(np.random.default_rng(5), 85),
        _longer_sentences(),
    )


def _rows(facts: Iterable[Fact]) -> Iterator[tuple[dict[str, str], str]]:
    """Yields rows, each with the key of its fact."""
    seen: set[tuple[str, str]] = set()
    for kind, fact, english, others in facts:
        for language, target in others.items():
            source, target = _tidy(english), _tidy(target)
            if source == target or (source, language) in seen or not target:
                continue
            seen.add((source, language))
            row = {"source": source, "target": target, "pair": f"en-{language}", "kind": kind}
            yield row, f"{kind} {fact}"


def _dates(rng: np.random.Generator, count: int) -> Iterator[Fact]:
    for offset in rng.choice(60_000, count, replace=False).tolist():
        day = datetime.date(1900, 1, 1) + datetime.timedelta(days=offset)
        style = ("long", "full")[offset % 2]
        others = {name: dates.format_date(day, style, code) for name, code in LOCALES.items()}
        yield "date", day.isoformat(), dates.format_date(day, style, "en"), others


def _amounts(amounts: Iterable[int]) -> Iterator[Fact]:
    for amount in sorted(set(amounts)):
        for currency in ("EUR", "USD", "CNY", "GBP", "JPY"):
            texts = {
                name: numbers.format_currency(amount, currency, locale=code, format_type="name")
                for name, code in LOCALES.items()
            }
            english = numbers.format_currency(amount, currency, locale="en", format_type="name")
            if (amount + len(english)) % 3 == 0:
                yield "money", str(amount), english, texts


def _units(amounts: Iterable[int]) -> Iterator[Fact]:
    for amount, unit in itertools.product(amounts, UNITS):
        measure = f"length-{unit}" if "meter" in unit else unit
        measure = {"kilogram": "mass-kilogram", "liter": "volume-liter"}.get(unit, measure)
        if unit in ("hour", "minute", "day", "week", "month", "year"):
            measure = f"duration-{unit}"
        texts = {
            name: units.format_unit(amount, measure, length="short", locale=code)
            for name, code in LOCALES.items()
        }
        english = units.format_unit(amount, measure, length="long", locale="en")
        if not any("-" in text for text in texts.values()):
            yield "unit", f"{amount} {unit}", english, texts


def _relative(amounts: Iterable[int]) -> Iterator[Fact]:
    for amount, (unit, word, size) in itertools.product(amounts, RELATIVE_TIMES):
        for sign in (-1, 1):
            delta = datetime.timedelta(**{word: sign * amount * size})
            phrases = {
                code: dates.format_timedelta(
                    delta, granularity=unit, threshold=10**6, add_direction=True, locale=code
                )
                for code in ("en", *LOCALES.values())
            }
            texts = {name: phrases[code] for name, code in LOCALES.items()}
            yield "relative time", f"{amount} {unit} {sign}", phrases["en"], texts


def _names(kind: str, codes: Iterable[str]) -> Iterator[Fact]:
    names = getattr(Locale.parse("en"), kind)
    others = {name: getattr(Locale.parse(code), kind) for name, code in LOCALES.items()}
    for code in codes:
        texts = {name: table.get(code, "") for name, table in others.items()}
        yield kind, code, names[code], texts


def _codes(kind: str) -> list[str]:
    return [code for code in sorted(getattr(Locale.parse("en"), kind)) if not code.isdigit()]


def _lists(rng: np.random.Generator, count: int) -> Iterator[Fact]:
    english = Locale.parse("en").territories
    known = set(english).intersection(
        *(Locale.parse(code).territories for code in LOCALES.values())
    )
    codes = [code for code in sorted(known) if code.isalpha() and len(english[code]) < 12]
    for _ in range(count):
        chosen = rng.choice(codes, 2 + int(rng.integers(2)), replace=False).tolist()
        texts = {
            name: lists.format_list(
                [Locale.parse(code).territories[c] for c in chosen], locale=code
            )
            for name, code in LOCALES.items()
        }
        source = lists.format_list([english[code] for code in chosen], locale="en")
        yield "list", " ".join(chosen), source, texts


def _sentences() -> Iterator[Fact]:
    for noun, pattern in itertools.product(NOUNS, SENTENCES):
        texts = {"fr": pattern[1].format(noun[1]), "zh": pattern[2].format(noun[2])}
        yield "sentence", f"{noun[0]} {pattern[0]}", pattern[0].format(noun[0]), texts
    for noun, (english, forms, chinese) in itertools.product(NOUNS, ADJECTIVES):
        french = f"{noun[1].capitalize()} est {forms[_is_feminine(noun[1])]}."
        source = f"{noun[0].capitalize()} is {english}."
        yield (
            "sentence",
            f"{noun[0]} {english}",
            source,
            {"fr": french, "zh": f"{noun[2]}{chinese}。"},
        )


def _longer_sentences() -> Iterator[Fact]:
    """Yields sentences of two nouns or two adjectives from the lists that the model knows."""
    for (one, two), pattern in itertools.product(
        itertools.combinations(LISTED_NOUNS, 2), LISTING_SENTENCES
    ):
        listed = (f"{one[0]} and {two[0]}", f"{one[1]} et {two[1]}", f"{one[2]}和{two[2]}")
        source, french, chinese = (
            text.format(name) for text, name in zip(pattern, listed, strict=True)
        )
        yield "sentence", source, source, {"fr": french, "zh": chinese}
    for noun, (one, two) in itertools.product(THINGS, PAIRED_ADJECTIVES):
        source = f"{noun[0].capitalize()} is {one[0]} and {two[0]}."
        form = _is_feminine(noun[1])
        french = f"{noun[1].capitalize()} est {one[1][form]} et {two[1][form]}."
        texts = {"fr": french, "zh": f"{noun[2]}{one[2]}，{two[2]}。"}
        yield "sentence", source, source, texts


def _is_feminine(noun: str) -> bool:
    return noun.startswith("la ") or noun == "l'école"


def _tidy(text: str) -> str:
    text = unicodedata.normalize("NFC", text).replace("\u202f", " ").replace("\u00a0", " ")
    return text.replace("’", "'").strip()
