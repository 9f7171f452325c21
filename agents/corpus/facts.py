"""Short-answer facts about a hundred countries, closed-book and with the answer in a context."""

import re
from collections.abc import Iterator
from typing import Any

from agents.corpus.sources import HELD_OUT, clean, countries
from lm_envs.tasks.examples import split_of

COUNTRIES = (
    *("ar", "as", "au", "be", "bl", "br", "bu", "ca", "ci", "ch", "co", "cs", "cu", "cy"),
    *("ez", "da", "ec", "eg", "en", "et", "fi", "fr", "gm", "gh", "gr", "ho", "hu", "ic"),
    *("in", "id", "ir", "iz", "ei", "is", "it", "jm", "ja", "jo", "ke", "ks", "kn", "kz"),
    *("lo", "lu", "lh", "lg", "ma", "my", "mx", "mg", "mo", "np", "nl", "nz", "ng", "no"),
    *("pk", "pm", "pe", "rp", "pl", "po", "ro", "rs", "sa", "sg", "si", "sf", "sp", "su"),
    *("sw", "sz", "sy", "tw", "tz", "th", "ts", "tu", "ug", "uk", "us", "uy", "uz", "ve"),
    *("vm", "za", "zi", "af", "al", "ag", "ao", "aj", "am", "bg", "bo", "cb", "cm", "ce"),
    *("do", "es", "gt", "gg", "ha", "ku", "la", "le", "mc", "md", "mn", "nu", "pa"),
    *("qa", "rw", "sn", "ri", "so", "ta", "ua", "up", "ym"),
)
"""Factbook codes of the countries that are asked about."""

FIELDS = {
    "capital": (
        ("Government", "Capital", "name"),
        "What is the capital of {name}?",
        "{answer} is the capital of {name}.",
    ),
    "highest point": (
        ("Geography", "Elevation", "highest point"),
        "What is the highest point of {name}?",
        "The highest point of {name} is {answer}.",
    ),
    "national holiday": (
        ("Government", "National holiday"),
        "What is the national holiday of {name}?",
        "The national holiday of {name} is {answer}.",
    ),
    "region": (
        ("Geography", "Map references"),
        "In which part of the world is {name}?",
        "{name} lies in {answer}.",
    ),
    "climate": (
        ("Geography", "Climate"),
        "What is the climate of {name}?",
        "The climate of {name} is {answer}.",
    ),
    "currency": (
        ("Economy", "Exchange rates", "Currency"),
        "What is the currency of {name}?",
        "People in {name} pay in {answer}.",
    ),
    "language": (
        ("People and Society", "Languages", "Languages"),
        "Which language is spoken in {name}?",
        "Most people in {name} speak {answer}.",
    ),
    "religion": (
        ("People and Society", "Religions"),
        "What is the main religion of {name}?",
        "The main religion of {name} is {answer}.",
    ),
    "export": (
        ("Economy", "Exports - commodities"),
        "What does {name} export?",
        "{name} exports {answer}.",
    ),
}


def facts() -> Iterator[dict[str, str]]:
    """One row a fact: question, answer, context, subject, relation, split."""
    for code, entry in countries():
        name = _name(entry) if code in COUNTRIES else ""
        for relation, (path, question, statement) in FIELDS.items() if name else ():
            answer = _short(_at(entry, path))
            if answer:
                yield {
                    "question": question.format(name=name),
                    "answer": answer,
                    "context": statement.format(name=name, answer=answer),
                    "subject": name,
                    "relation": relation,
                    "split": split_of(f"{name} {relation}", HELD_OUT),
                }


def _name(entry: dict[str, Any]) -> str:
    short = _at(entry, ("Government", "Country name", "conventional short form"))
    if not short or short == "none":
        short = _at(entry, ("Government", "Country name", "conventional long form"))
    return re.sub(r"[(;].*", "", short).strip()


def _at(entry: dict[str, Any], path: tuple[str, ...]) -> str:
    value: Any = entry
    for key in path:
        value = value.get(key, {}) if isinstance(value, dict) else {}
    if isinstance(value, dict):
        value = value.get("text", "")
    return clean(value) if isinstance(value, str) else ""


def _short(text: str) -> str:
    """First item of a list, without figures or remarks; empty where it is long."""
    text = re.sub(r"\([^)]*\)| per US dollar|^metropolitan France: ", "", text)
    text = re.split(r"[;,]| note| - |: ", text)[0]
    text = re.sub(r"\s+[\d.,]+%?( m)?$|<.*", "", text).strip(" .-")
    is_odd = re.search(r"\d{3}|%|[a-z][A-Z]", text)
    return text if 2 < len(text) <= 40 and not is_odd else ""
