"""Wordings of questions about chains of facts, with forms that only one split has.

Owns how sentences are chosen and joined; they stand in assets/wordings/facts.json, by split. No
sentence of one split is in another one, so that an agent is judged by wordings that it has not
learned from. Knows nothing of models or rewards.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import NamedTuple, TypeVar

from lm_envs.tasks.simulators.customer_wordings import Pool

T = TypeVar("T")


class Frame(NamedTuple):
    """Sentences that name one country after the other, in the order of the walk.

    Attributes:
        first: Names the first country.
        next: Names each further one.
        reference: Stands for the country before.
    """

    first: str
    next: str
    reference: str


@dataclass(frozen=True, slots=True)
class Wordings:
    """How a relation is named; "{}" stands for what the edge starts at.

    Attributes:
        asked: Questions for the value of a country.
        described: Phrases for the country with a value.
        linked: Phrases for the country that is the value; empty if values are no countries.
    """

    asked: Pool
    described: Pool
    linked: Pool


@dataclass(frozen=True, slots=True)
class AllWordings:
    """The content of the file.

    Attributes:
        relations: By name.
        frames: By split.
    """

    relations: dict[str, Wordings]
    frames: dict[str, tuple[Frame, ...]]


@lru_cache(maxsize=1)
def all_wordings() -> AllWordings:
    """Returns the wordings of all splits."""
    file = resources.files("lm_envs") / "assets" / "wordings" / "facts.json"
    found = json.loads(file.read_text(encoding="utf-8"))
    kinds = ("asked", "described", "linked")
    relations = {
        name: Wordings(**{kind: _pool(pools.get(kind, {})) for kind in kinds})
        for name, pools in found["relations"].items()
    }
    frames = {
        split: tuple(Frame(**each) for each in rows) for split, rows in found["frames"].items()
    }
    return AllWordings(relations, frames)


def check_worded(relations: Iterable[str]) -> None:
    """Checks that each relation has wordings.

    Raises:
        ValueError: If one has none.
    """
    known = all_wordings().relations
    missing = [name for name in relations if name not in known]
    if missing:
        raise ValueError(
            f"Got wordings='varied' and the relation {missing[0]!r}; allowed: facts with the "
            f"relations {', '.join(known)}. Use wordings='facts'."
        )


def varied_question(start: str, edges: Sequence[tuple[str, bool]], split: str) -> str:
    """Returns a question for the end of a walk, in wordings of a split.

    Which wordings, and whether the countries are named one after the other or one within the other,
    is drawn by a hash of the walk.

    Args:
        start: Entity at the start of the walk.
        edges: Names of relations, and whether each is followed back, from value to country; the
            last is not followed back.
        split: "train", "validation" or "test".
    """
    wordings, walk = all_wordings(), f"{start} > {list(edges)}"
    *through, (asked, _) = edges
    frame = None
    if through and _digest(f"frame {walk}") % 2:
        frame = _drawn(wordings.frames[split], f"which frame {walk}")
    sentences: list[str] = []
    country = start
    for place, (relation, is_back) in enumerate(through):
        named = wordings.relations[relation]
        pool = named.described if is_back else named.linked
        country = _drawn(pool.get(split), f"{place} {walk}").format(country)
        if frame is not None:
            sentences.append((frame.next if place else frame.first).format(country))
            country = frame.reference
    question = _drawn(wordings.relations[asked].asked.get(split), f"asked {walk}")
    return " ".join([*sentences, question.format(country)])


def _pool(sentences: dict[str, list[str]]) -> Pool:
    train, validation, test = (
        tuple(sentences.get(split, ())) for split in ("train", "validation", "test")
    )
    return Pool(train, validation, test)


def _drawn(choices: Sequence[T], key: str) -> T:
    return choices[_digest(key) % len(choices)]


def _digest(key: str) -> int:
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big")
