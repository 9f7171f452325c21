"""Ratings as JSONL, out of a store and into one.

Owns the form of the lines. A line is a pair, `{"rater", "prompt", "texts": [a, b], "value"}`, where
`value` is 1 if the first text is better, 0 if the second is, 0.5 for a tie and null for a skipped
pair; or one text, `{"prompt", "text", "rating": 0 to 1}`, as `lm_envs.tasks.human` writes it.
Undone ratings are left out.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from agents.config.loading import UserError
from agents.rating.queue import check_rater
from agents.runs.files import write_jsonl
from lm_envs.tasks.ratings import RatedText, Rating, RatingStore
from lm_envs.tasks.ratings.rating import normalized
from lm_envs.validation import check_number

MODEL = "model"
"""Name of the fingerprint of the texts' model, among the properties of a store and in each line."""

IMPORTED = "imported"
"""Rater of lines without one."""


def export_ratings(store: RatingStore, path: Path) -> int:
    """Writes the ratings that are not undone, atomically; returns their number."""
    rows = list(_rows(store))
    write_jsonl(path, rows)
    return len(rows)


def import_ratings(store: RatingStore, path: Path) -> int:
    """Adds the ratings of a file; returns how many were new.

    Ratings that the store has already are left out, so that a file can be imported twice.

    Raises:
        UserError: If a line is malformed or of another model; nothing is added then.
    """
    model, found = store.properties.get(MODEL), []
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), start=1):
        if line.strip():
            found.append(_parsed(line, f"{path}:{number}", model))
    texts = [text for texts, *_ in found for text in texts]
    numbers = dict(zip([t.key for t in texts], store.add_texts(texts), strict=True))
    store.add_pairs((texts[0], texts[1]) for texts, *_ in found if len(texts) == 2)
    return store.add_ratings(_rating(row, numbers) for row in found)


Parsed = tuple[list[RatedText], str, float | None, float]
"""One or two texts, rater, value, time."""


def _rating(row: Parsed, numbers: Mapping[tuple[str, str], int]) -> Rating:
    texts, rater, value, time = row
    first, *others = [numbers[text.key] for text in texts]
    second = others[0] if others else None
    if second is not None and second < first:  # a pair has one order in the store
        first, second, value = second, first, None if value is None else 1.0 - value
    return Rating(rater, first, second, value, time=time)


def _rows(store: RatingStore) -> Iterator[dict[str, Any]]:
    texts, model = store.texts, store.properties.get(MODEL)
    for rating in store.ratings:
        own = [texts[number] for number in rating.item if number is not None]
        row: dict[str, Any] = {"rater": rating.rater, "prompt": own[0].prompt}
        if rating.second is None:
            row |= {"text": own[0].text, "rating": rating.value}
        else:
            row |= {"texts": [text.text for text in own], "value": rating.value}
            row["left"] = 1 if rating.is_swapped else 0
        row |= {"time": rating.time, "simulated": rating.is_simulated, MODEL: model}
        row["sources"] = [text.source for text in own]
        row["prompt_tokens"] = list(own[0].prompt_tokens)
        row["tokens"] = [list(text.tokens) for text in own]
        yield row


def _parsed(line: str, location: str, model: str | None) -> Parsed:
    try:
        row = json.loads(line)
        texts = row["texts"] if "texts" in row else [row["text"]]
        value = row["value"] if "texts" in row else row["rating"]
        if len(texts) != 1 + ("texts" in row) or not all(isinstance(t, str) for t in texts):
            raise ValueError("texts")
        if value is not None:
            check_number("value", value)
            if not 0.0 <= value <= 1.0:
                raise ValueError("value")
        rater = row.get("rater", IMPORTED)
        check_rater(rater)
        parsed = (_texts(row, texts), rater, value, float(row.get("time") or 0.0))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise UserError(
            f'Got {line[:80]!r} at {location}; allowed: {{"rater", "prompt", "texts": [a, b], '
            '"value": 0 to 1 or null}, or {"prompt", "text", "rating": 0 to 1}. Nothing was added.'
        ) from None
    if model and row.get(MODEL) not in (None, model):
        raise UserError(
            f"Got a rating of the model {str(row[MODEL])[:12]!r}… at {location}, for a store of "
            f"{model[:12]}…; allowed: ratings of one model in a store. Nothing was added; use "
            "another --store, and name the ratings' model as the first argument."
        )
    return parsed


def _texts(row: Mapping[str, Any], texts: list[str]) -> list[RatedText]:
    prompt, blank = row["prompt"], [[]] * len(texts)
    if not isinstance(prompt, str):
        raise ValueError("prompt")
    sources = row.get("sources") or [""] * len(texts)
    tokens = row.get("tokens") or blank
    prompt_tokens = tuple(map(int, row.get("prompt_tokens") or ()))
    return [
        RatedText(prompt, normalized(text), prompt_tokens, tuple(map(int, own)), str(source))
        for text, own, source in zip(texts, tokens, sources, strict=True)
    ]
