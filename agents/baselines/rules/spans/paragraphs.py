"""Paragraphs of labeled fields, cut into the spans that can be answers.

Owns how fields, lists and amounts are written. Knows no question's meaning and no model.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from agents.baselines.rules.texts import EXTRACTIVE

_FIELD_END = re.compile(r"\.\s+(?=[A-Z\d])|\.$")
_AMOUNT = re.compile(r"(?P<amount>[$-]?\d[\d,.]*)\s*(?P<unit>%|km|m|million)?(?=\s|$)")

WHOLE, NAME, AMOUNT = "whole", "name", "amount"
"""Forms of a span: an item as it stands, without its amount, or the amount alone."""

MOST_PLACES = 3
"""An item of a list has the place 0, 1 or 2; all items after the third have the place 2."""


class Span(NamedTuple):
    """A part of a paragraph that can be an answer.

    Attributes:
        text: As it stands.
        label: Of the field, and behind "|" of the part of the field.
        form: `WHOLE`, `NAME` or `AMOUNT`.
        place: In the list, from 0.
        is_largest: Whether its item has the largest amount of the list.
    """

    text: str
    label: str
    form: str
    place: int
    is_largest: bool


class Paragraph(NamedTuple):
    """A prompt: its question, and the spans of its context in their order."""

    question: str
    spans: tuple[Span, ...]


@lru_cache(2**14)
def parse(prompt: str) -> Paragraph:
    """Returns the question and the spans of a prompt; without spans if it has no context."""
    found = EXTRACTIVE.fullmatch(prompt)
    if found is None:
        return Paragraph("", ())
    fields = filter(None, _FIELD_END.split(found["context"]))
    return Paragraph(found["question"], tuple(span for field in fields for span in _spans(field)))


def _spans(field: str) -> Iterator[Span]:
    label, _, rest = field.partition(": ")
    parts = rest.split("; ")
    if all(": " in part for part in parts[1:]):  # parts with labels of their own
        for number, part in enumerate(parts):
            own, _, text = part.partition(": ") if number else (label, "", part)
            yield from _items(f"{label}|{own}", text.split(", "))
    else:
        yield from _items(f"{label}|", parts)


def _items(label: str, items: list[str]) -> Iterator[Span]:
    amounts = [_AMOUNT.search(item) for item in items]
    sizes = [_size(found["amount"]) if found else 0.0 for found in amounts]
    largest = sizes.index(max(sizes))
    for number, (item, found) in enumerate(zip(items, amounts, strict=True)):
        place, is_largest = min(number, MOST_PLACES - 1), number == largest
        yield Span(item, label, WHOLE, place, is_largest)
        if found is None:
            continue
        amount = found["amount"] + ("%" if found["unit"] == "%" else "")
        name = (item[: found.start()] or item[found.end() :]).strip(" ,")
        for text, form in ((amount, AMOUNT), (name, NAME)):
            if text not in ("", item):
                yield Span(text, label, form, place, is_largest)


def _size(amount: str) -> float:
    return float(re.sub(r"[^\d.]", "", amount).strip(".") or 0.0)
