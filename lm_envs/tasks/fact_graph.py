"""A graph of facts: entities joined by named relations, and questions to be answered by walking.

Owns edges and paths. Knows nothing of tokens, models or rewards.
"""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

STOP = "stop"
FAR = 5
"""Distances from here on count as this."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One edge, from subject to value, and the question that asks for it."""

    subject: str
    relation: str
    value: str
    question: str


@dataclass(frozen=True, slots=True)
class PathQuestion:
    """A question, where to start, the relations that lead to the answer, and the answer."""

    question: str
    start: str
    path: tuple[str, ...]
    answer: str


class FactGraph:
    """Facts as edges that can be followed both ways.

    A relation leads from a subject to its value; `relation of` leads back, where only one subject
    has that value.

    Args:
        facts: Its edges.

    Attributes:
        relations: Names of all edges, forward and back, in a fixed order.
        entities: Names of all ends of edges.
    """

    def __init__(self, facts: Iterable[Fact]) -> None:
        self._facts = tuple(facts)
        names = list(dict.fromkeys(fact.relation for fact in self._facts))
        self.relations = (*names, *(f"{name} of" for name in names))
        back: dict[tuple[str, str], list[str]] = {}
        self._edges: dict[tuple[str, str], str] = {}
        for fact in self._facts:
            self._edges[fact.subject, fact.relation] = fact.value
            back.setdefault((fact.value, f"{fact.relation} of"), []).append(fact.subject)
        self._edges |= {edge: found[0] for edge, found in back.items() if len(found) == 1}
        self.entities = {fact.subject for fact in self._facts} | {f.value for f in self._facts}
        self._neighbors: dict[str, set[str]] = {}
        for (entity, _), there in self._edges.items():
            self._neighbors.setdefault(entity, set()).add(there)
        self._distances: dict[tuple[str, str], int] = {}

    def follow(self, entity: str, relation: str) -> str | None:
        """Where a relation leads from an entity; None where there is no such edge."""
        return self._edges.get((entity, relation))

    def walk(self, start: str, path: Iterable[str]) -> str:
        """Where a path ends; a relation that leads nowhere leaves the walker in place."""
        entity = start
        for relation in path:
            entity = self.follow(entity, relation) or entity
        return entity

    def distance(self, start: str, goal: str) -> int:
        """Edges on the shortest path, or `FAR` where there is none as short."""
        if (start, goal) not in self._distances:
            self._distances[start, goal] = self._search(start, goal)
        return self._distances[start, goal]

    def path_questions(self, hops: int) -> Iterator[PathQuestion]:
        """Questions that take 1 or 2 edges to answer.

        One edge: a fact's own question. Two: the same about "the country" that another fact
        describes, back to the country and on to the answer. Where a relation has several values,
        edges lead to the last, and there are no questions for the others.
        """
        found = self._direct() if hops == 1 else self._indirect()
        return (quest for quest in found if self.walk(quest.start, quest.path) == quest.answer)

    def _direct(self) -> Iterator[PathQuestion]:
        for fact in self._facts:
            yield PathQuestion(fact.question, fact.subject, (fact.relation,), fact.value)

    def _indirect(self) -> Iterator[PathQuestion]:
        by_subject: dict[str, list[Fact]] = {}
        for fact in self._facts:
            by_subject.setdefault(fact.subject, []).append(fact)
        for facts in by_subject.values():
            for known, asked in itertools.permutations(facts, 2):
                back = f"{known.relation} of"
                if self.follow(known.value, back) == asked.subject:
                    described = f"the country whose {known.relation} is {known.value}"
                    question = asked.question.replace(asked.subject, described)
                    yield PathQuestion(question, known.value, (back, asked.relation), asked.value)

    def _search(self, start: str, goal: str) -> int:
        reached = {start}
        for distance in range(FAR):
            if goal in reached:
                return distance
            reached = reached.union(*(self._neighbors.get(place, set()) for place in reached))
        return FAR
