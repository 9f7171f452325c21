"""English to French and Chinese: what the Unicode CLDR knows how to say, and template sentences.

Source: the Common Locale Data Repository, read through babel.
"""

import datetime
import itertools
import unicodedata
from collections.abc import Iterator
from typing import Literal

import numpy as np
from babel import Locale, dates, lists, numbers, units

from agents.corpus.sources import HELD_OUT
from lm_envs.tasks.examples import split_of

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
NAMES_PER_KIND = 300
RELATIVE_TIMES: tuple[tuple[Literal["minute", "hour", "day", "week", "year"], str, int], ...] = (
    *(("minute", "minutes", 1), ("hour", "hours", 1), ("day", "days", 1)),
    *(("week", "days", 7), ("year", "days", 365)),
)
"""Unit to speak in, and what it is in the words of `timedelta`."""

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
WISHES = (
    ("I see {}.", "Je vois {}.", "我看见{}。"),
    ("We like {}.", "Nous aimons {}.", "我们喜欢{}。"),
    ("Where is {}?", "Où est {} ?", "{}在哪里？"),
    ("She is looking for {}.", "Elle cherche {}.", "她在找{}。"),
    ("I do not see {}.", "Je ne vois pas {}.", "我没看见{}。"),
)


def pairs() -> Iterator[dict[str, str]]:
    """Rows source, target, pair, kind, split; split by fact, the same in both languages."""
    seen: set[tuple[str, str]] = set()
    for kind, fact, english, others in itertools.chain(
        _dates(), _amounts(), _units(), _relative(), _names(), _lists(), _sentences()
    ):
        for language, target in others.items():
            source, target = _tidy(english), _tidy(target)
            if source == target or (source, language) in seen or not target:
                continue
            seen.add((source, language))
            split = split_of(f"{kind} {fact}", HELD_OUT)
            row = {"source": source, "target": target, "pair": f"en-{language}"}
            yield row | {"kind": kind, "split": split}


Fact = tuple[str, str, str, dict[str, str]]


def _dates() -> Iterator[Fact]:
    rng = np.random.default_rng(0)
    for offset in rng.choice(60_000, 1200, replace=False).tolist():
        day = datetime.date(1900, 1, 1) + datetime.timedelta(days=offset)
        style = ("long", "full")[offset % 2]
        others = {name: dates.format_date(day, style, code) for name, code in LOCALES.items()}
        yield "date", day.isoformat(), dates.format_date(day, style, "en"), others


def _amounts() -> Iterator[Fact]:
    rng = np.random.default_rng(1)
    for amount in sorted(set(rng.integers(1, 5000, 400).tolist())):
        for currency in ("EUR", "USD", "CNY", "GBP", "JPY"):
            texts = {
                name: numbers.format_currency(amount, currency, locale=code, format_type="name")
                for name, code in LOCALES.items()
            }
            english = numbers.format_currency(amount, currency, locale="en", format_type="name")
            if (amount + len(english)) % 3 == 0:
                yield "money", str(amount), english, texts


def _units() -> Iterator[Fact]:
    for amount, unit in itertools.product(range(1, 90), UNITS):
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


def _relative() -> Iterator[Fact]:
    for amount, (unit, word, size) in itertools.product(range(1, 60), RELATIVE_TIMES):
        for sign in (-1, 1):
            delta = datetime.timedelta(**{word: sign * amount * size})
            said = {
                code: dates.format_timedelta(
                    delta, granularity=unit, threshold=10**6, add_direction=True, locale=code
                )
                for code in ("en", *LOCALES.values())
            }
            texts = {name: said[code] for name, code in LOCALES.items()}
            yield "relative time", f"{amount} {unit} {sign}", said["en"], texts


def _names() -> Iterator[Fact]:
    english = Locale.parse("en")
    for kind in ("territories", "languages", "currencies"):
        names = getattr(english, kind)
        others = {name: getattr(Locale.parse(code), kind) for name, code in LOCALES.items()}
        codes = [code for code in sorted(names) if not code.isdigit()]
        for code in codes[:NAMES_PER_KIND]:
            texts = {name: table.get(code, "") for name, table in others.items()}
            yield kind, code, names[code], texts


def _lists() -> Iterator[Fact]:
    english = Locale.parse("en").territories
    known = set(english).intersection(
        *(Locale.parse(code).territories for code in LOCALES.values())
    )
    codes = [code for code in sorted(known) if code.isalpha() and len(english[code]) < 12]
    rng = np.random.default_rng(2)
    for _ in range(500):
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
    for noun, wish in itertools.product(NOUNS, WISHES):
        texts = {"fr": wish[1].format(noun[1]), "zh": wish[2].format(noun[2])}
        yield "sentence", f"{noun[0]} {wish[0]}", wish[0].format(noun[0]), texts
    for noun, (english, (male, female), chinese) in itertools.product(NOUNS, ADJECTIVES):
        is_female = noun[1].startswith("la ") or noun[1] == "l'école"
        french = f"{noun[1].capitalize()} est {female if is_female else male}."
        source = f"{noun[0].capitalize()} is {english}."
        yield (
            "sentence",
            f"{noun[0]} {english}",
            source,
            {"fr": french, "zh": f"{noun[2]}{chinese}。"},
        )


def _tidy(text: str) -> str:
    text = unicodedata.normalize("NFC", text).replace("\u202f", " ").replace("\u00a0", " ")
    return text.replace("’", "'").strip()
