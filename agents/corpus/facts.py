"""Short-answer facts about countries, closed-book and with the answer in a context.

Owns the choice of facts. Those of a hundred countries are divided into all three splits; the other
countries are held out as a whole, since they were added after the embedded model was trained.
"""

import re
from collections.abc import Iterator
from typing import Any

from agents.corpus.sources import HELD_OUT, clean, countries, held_out_split
from lm_envs.tasks.splits import split_of

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
"""Factbook codes of the countries with facts in all splits."""

HELD_OUT_COUNTRIES = (
    *("aa", "ac", "ae", "an", "aq", "av", "ba", "bb", "bc", "bd", "bf", "bh", "bk", "bm", "bn"),
    *("bp", "bt", "bx", "by", "cd", "cf", "cg", "cj", "cn", "cq", "ct", "cv", "cw", "dj", "dr"),
    *("ek", "er", "fj", "fk", "fm", "fo", "fp", "ga", "gb", "gi", "gj", "gk", "gl", "gq", "gv"),
    *("gy", "hk", "hr", "im", "iv", "je", "kg", "kr", "kv", "li", "ls", "lt", "ly", "mh", "mi"),
    *("mj", "mk", "ml", "mp", "mr", "mt", "mu", "mv", "mz", "nc", "ne", "nf", "nh", "ni"),
    *("nn", "nr", "ns", "od", "pc", "pp", "ps", "pu", "rm", "rn", "rq", "sb", "sc", "se", "sl"),
    *("sm", "st", "tb", "td", "ti", "tk", "tl", "tn", "to", "tp", "tt", "tv", "tx", "uc", "uv"),
    *("vc", "vi", "vq", "vt", "wa", "wf", "ws", "wz"),
)
"""Factbook codes of the countries with facts in validation and test only."""

NAMES = {
    **{"bf": "Bahamas", "cf": "Republic of the Congo", "cg": "Democratic Republic of the Congo"},
    **{"dr": "Dominican Republic", "ga": "Gambia", "vq": "US Virgin Islands"},
}
"""Names of countries whose short form in the Factbook is ambiguous or has an article."""

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
    """Yields one row per fact: question, answer, context, subject, relation, split.

    Rows of the held-out countries come last and have graph="no": the graph of `KnowledgeGraphQA`
    does not contain them.
    """
    entries = dict(countries())
    for code in sorted(set(entries).intersection(COUNTRIES)):
        for row in _country_facts(_name(entries[code]), entries[code]):
            row = {name: _tidied(text) for name, text in row.items()}
            split = split_of(f"{row['subject']} {row['relation']}", HELD_OUT)
            yield row | {"split": split}
    for code in sorted(HELD_OUT_COUNTRIES):
        name = country_name(code, entries[code])
        for row in _country_facts(name, entries[code]):
            if _is_answer(row["answer"]):
                split = held_out_split(f"{name} {row['relation']}")
                yield row | {"split": split, "graph": "no"}


def country_name(code: str, entry: dict[str, Any]) -> str:
    """Returns the short English name of a country; "" if its entry has none."""
    return NAMES.get(code) or _name(entry)


def country_background(entry: dict[str, Any]) -> str:
    """Returns the history of a country as one line; "" if its entry has none."""
    return factbook_text(entry, ("Introduction", "Background"))


def factbook_text(entry: dict[str, Any], path: tuple[str, ...]) -> str:
    """Returns the text at a path of keys as one line; "" if there is none."""
    value: Any = entry
    for key in path:
        value = value.get(key, {}) if isinstance(value, dict) else {}
    if isinstance(value, dict):
        value = value.get("text", "")
    return clean(value) if isinstance(value, str) else ""


def _country_facts(name: str, entry: dict[str, Any]) -> Iterator[dict[str, str]]:
    for relation, (path, question, statement) in FIELDS.items():
        answer = _short(factbook_text(entry, path))
        if answer:
            yield fact_row(name, relation, answer, question, statement)


def fact_row(
    name: str, relation: str, answer: str, question: str, statement: str
) -> dict[str, str]:
    """Returns the fields of a fact about a country, without its split.

    Args:
        name: Of the country.
        relation: Of the fact.
        answer: Its value.
        question: With "{name}" for the country.
        statement: The same, and "{answer}" for the value.
    """
    return {
        "question": question.format(name=name),
        "answer": answer,
        "context": statement.format(name=name, answer=answer),
        "subject": name,
        "relation": relation,
    }


def _name(entry: dict[str, Any]) -> str:
    short = factbook_text(entry, ("Government", "Country name", "conventional short form"))
    if not short or short == "none":
        short = factbook_text(entry, ("Government", "Country name", "conventional long form"))
    return re.sub(r"[(;].*", "", short).strip()


def _short(text: str) -> str:
    """Returns the first item of a list without figures or remarks; empty if it is too long."""
    text = re.sub(r"\([^)]*\)| per US dollar|^metropolitan France: |^previous: ", "", text)
    text = re.split(r"[;,]| note| - |: ", text)[0]
    text = re.sub(r"\s+[\d.,]+%?( m)?$|<.*", "", text).strip(" .-")
    text = re.sub(r" in$", "", text)  # its year was removed: "… Swiss Confederation in 1291"
    is_odd = re.search(r"\d{3}|%|[a-z][A-Z]", text)
    return text if 2 < len(text) <= 40 and not is_odd else ""


def _tidied(text: str) -> str:
    """Returns a text without the gaps of removed remarks, and with family names in small letters.

    Only for countries whose facts are not filtered by `_is_answer`, which leaves such texts out.
    """
    text = re.sub(r"  +", " ", text)
    return re.sub(r"\b[A-Z]{4,}\b", lambda name: name[0].capitalize(), text)


def _is_answer(answer: str) -> bool:
    """Returns whether a text is an answer: no remark, alternative or capitalized family name."""
    odd = r"^(un|no |varie|the |hot|warm|\d)| winters|/| or |  |[A-Z]{3}"
    return not re.search(odd, answer)
