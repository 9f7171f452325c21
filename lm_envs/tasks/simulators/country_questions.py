"""Questions about a paragraph of facts of one country, in wordings that only one split has.

Owns how paragraphs are drawn from the fields of a country (assets/examples/country_fields.jsonl)
and which of the wordings (assets/wordings/countries.json) a split has. No wording and no country
is in two splits. Knows nothing of models or rewards.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import NamedTuple, TypeVar

from lm_envs.tasks.simulators.customer_wordings import Pool

T = TypeVar("T")

WORDINGS_PER_FACT = 2
"""Questions about each fact, with other wordings and another paragraph each."""

TRAIN_SHARE, VALIDATION_SHARE = 0.6, 0.2
"""Of the wordings of a relation; the rest is the test split's."""

OF_THE_KIND = 2
"""Fields of the answer's kind that are drawn first, beside its own."""

LEAST_FIELDS = 4
LONGEST_PARAGRAPH = 330
"""Characters: as many as fit the positions of the embedded model."""

PLACES = ("beginning", "middle", "end")
"""Thirds of a paragraph in which an answer begins."""


class FieldKind(NamedTuple):
    """What a field is about.

    Attributes:
        kind: Of its values: fields of one kind can be mistaken for one another.
        relations: Of the answers that are marked in it, in their order.
    """

    kind: str
    relations: tuple[str, ...] = ()


FIELDS = {
    "Capital": FieldKind("place", ("capital",)),
    "Major urban areas": FieldKind("place"),
    "Highest point": FieldKind("place", ("highest point", "lowest point")),
    "Border countries": FieldKind("country", ("longest border",)),
    "Exports - partners": FieldKind("country", ("export partner",)),
    "Imports - partners": FieldKind("country", ("import partner",)),
    "Exports - commodities": FieldKind("goods", ("export good",)),
    "Imports - commodities": FieldKind("goods", ("import good",)),
    "Agricultural products": FieldKind("goods", ("crop",)),
    "Natural resources": FieldKind("goods"),
    "0-14 years": FieldKind("share", ("children", "old people")),
    "Urban population": FieldKind("share", ("urban",)),
    "GDP - agriculture": FieldKind("share"),
}
"""Fields by their labels."""

RELATIONS = tuple(relation for field in FIELDS.values() for relation in field.relations)

_MARKED = re.compile(r"\[(.*?)\]")


@dataclass(frozen=True, slots=True)
class CountryQuestion:
    """A question about a paragraph.

    Attributes:
        question: In one of the wordings.
        answer: Which stands in the context.
        context: Sentences from the Factbook in a drawn order.
        subject: The country.
        relation: What is asked, one of `RELATIONS`.
        place: Where the answer begins, one of `PLACES`.
    """

    question: str
    answer: str
    context: str
    subject: str
    relation: str
    place: str


class _Field(NamedTuple):
    """A field of a country: its text, its kind, and the answers in it by relation."""

    text: str
    kind: str
    answers: dict[str, str]


class _Country(NamedTuple):
    subject: str
    split: str
    fields: tuple[_Field, ...]


@lru_cache(maxsize=1)
def all_wordings() -> dict[str, Pool]:
    """Returns the wordings of each relation; which split has one, its hash decides."""
    file = resources.files("lm_envs") / "assets" / "wordings" / "countries.json"
    found: dict[str, list[str]] = json.loads(file.read_text(encoding="utf-8"))
    return {relation: _pool(wordings) for relation, wordings in found.items()}


@lru_cache(maxsize=3)
def country_questions(split: str) -> tuple[CountryQuestion, ...]:
    """Returns all questions of "train", "validation" or "test", country by country.

    A fact is asked for if the country has a further field of its kind.
    """
    return tuple(
        question
        for country in _countries()
        if country.split == split
        for field in country.fields
        if sum(other.kind == field.kind for other in country.fields) > 1
        for relation in field.answers
        for question in _questions(country, field, relation)
    )


def _questions(country: _Country, field: _Field, relation: str) -> Iterator[CountryQuestion]:
    """Yields the questions about a fact in wordings drawn by its hash."""
    key, answer = f"{country.subject} {relation}", field.answers[relation]
    wordings = _shuffled(all_wordings()[relation].get(country.split), key)
    for wording in wordings[:WORDINGS_PER_FACT]:
        fields = _drawn_fields(country, field, f"{key} {wording}")
        context = " ".join(f"{each.text}." for each in fields)
        before = sum(len(each.text) + 2 for each in fields[: fields.index(field)])
        start = before + field.text.index(answer)
        if len(fields) >= LEAST_FIELDS:
            yield CountryQuestion(
                wording.format(country.subject),
                answer,
                context,
                country.subject,
                relation,
                PLACES[start * len(PLACES) // len(context)],
            )


def _drawn_fields(country: _Country, field: _Field, key: str) -> list[_Field]:
    """Returns a field among others of its country, some of its kind, in a drawn order."""
    others = _shuffled([other for other in country.fields if other is not field], key)
    alike = [other for other in others if other.kind == field.kind][:OF_THE_KIND]
    chosen = [field]
    for other in [*alike, *(other for other in others if other not in alike)]:
        if sum(len(each.text) + 2 for each in (*chosen, other)) <= LONGEST_PARAGRAPH:
            chosen.append(other)
    return _shuffled(chosen, f"order {key}")


@lru_cache(maxsize=1)
def _countries() -> tuple[_Country, ...]:
    file = resources.files("lm_envs") / "assets" / "examples" / "country_fields.jsonl"
    rows = map(json.loads, file.read_text(encoding="utf-8").splitlines())
    return tuple(
        _Country(row["subject"], row["split"], tuple(map(_field, row["fields"]))) for row in rows
    )


def _field(marked: str) -> _Field:
    kind, relations = FIELDS[marked.partition(":")[0]]
    found = _MARKED.findall(marked)
    answers = dict(zip(relations, found, strict=True)) if found else {}
    return _Field(_MARKED.sub(r"\1", marked), kind, answers)


def _pool(wordings: Sequence[str]) -> Pool:
    order = sorted(wordings, key=_digest)
    first, second = (
        round(len(order) * share) for share in (TRAIN_SHARE, TRAIN_SHARE + VALIDATION_SHARE)
    )
    return Pool(tuple(order[:first]), tuple(order[first:second]), tuple(order[second:]))


def _shuffled(choices: Sequence[T], key: str) -> list[T]:
    order = sorted(range(len(choices)), key=lambda place: _digest(f"{place} {key}"))
    return [choices[place] for place in order]


def _digest(key: str) -> bytes:
    # Not Python's `hash`, which differs from process to process.
    return hashlib.sha256(key.encode()).digest()
