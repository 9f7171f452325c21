"""A graph of facts: entities joined by named relations, and questions answered by following them.

Owns edges, paths and distances. Knows nothing of tokens, models or rewards.
"""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

STOP = "stop"
MAX_DISTANCE = 5
"""Longer distances are returned as this value."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One edge, from subject to value, and the question that it answers."""

    subject: str
    relation: str
    value: str
    question: str


@dataclass(frozen=True, slots=True)
class PathQuestion:
    """A question that a path through the graph answers.

    Attributes:
        question: Text of the question.
        start: Entity at the start of the path.
        path: Relations from the start to the answer.
        answer: Entity at the end of the path.
    """

    question: str
    start: str
    path: tuple[str, ...]
    answer: str


def backward(relation: str) -> str:
    """Returns the name of the edge that leads from a value of a relation to its subject."""
    return f"{relation} of"


class FactGraph:
    """Facts as edges that can be followed in both directions. A repeated fact counts once.

    A relation leads from a subject to its value. "<relation> of" leads back, if only one subject
    has that value. If a subject has several values of a relation, the edge leads to the last one.

    Args:
        facts: Edges of the graph.

    Attributes:
        facts: The facts, each once.
        forward: Names of the relations of facts.
        relations: Names of all edges, forward and back, in a fixed order.
        entities: Names of all subjects and values.
    """

    def __init__(self, facts: Iterable[Fact]) -> None:
        self.facts = tuple(dict.fromkeys(facts))
        self.forward = tuple(dict.fromkeys(fact.relation for fact in self.facts))
        self.relations = (*self.forward, *map(backward, self.forward))
        # Subjects are keys of a dict, because one fact may be stated with several questions.
        subjects: dict[tuple[str, str], dict[str, None]] = {}
        self._edges: dict[tuple[str, str], str] = {}
        for fact in self.facts:
            self._edges[fact.subject, fact.relation] = fact.value
            subjects.setdefault((fact.value, backward(fact.relation)), {})[fact.subject] = None
        self._edges |= {
            edge: next(iter(names)) for edge, names in subjects.items() if len(names) == 1
        }
        self.entities = {fact.subject for fact in self.facts} | {f.value for f in self.facts}
        self._neighbors: dict[str, set[str]] = {}
        for (entity, _), neighbor in self._edges.items():
            self._neighbors.setdefault(entity, set()).add(neighbor)
        self._distances: dict[tuple[str, str], int] = {}

    def follow(self, entity: str, relation: str) -> str | None:
        """Returns the entity that a relation leads to, or None if there is no such edge."""
        return self._edges.get((entity, relation))

    def edge(self, relation: str) -> tuple[str, bool]:
        """Returns the relation of facts that an edge follows, and whether it leads back."""
        place = self.relations.index(relation)
        return self.forward[place % len(self.forward)], place >= len(self.forward)

    def walk(self, start: str, path: Iterable[str]) -> str:
        """Returns the entity at the end of a path; a relation without an edge is skipped."""
        entity = start
        for relation in path:
            entity = self.follow(entity, relation) or entity
        return entity

    def distance(self, start: str, goal: str) -> int:
        """Returns the number of edges on the shortest path, at most `MAX_DISTANCE`."""
        if (start, goal) not in self._distances:
            near = (steps for steps in range(MAX_DISTANCE) if goal in self.reached(start, steps))
            self._distances[start, goal] = next(near, MAX_DISTANCE)
        return self._distances[start, goal]

    def reached(self, start: str, steps: int) -> set[str]:
        """Returns the entities that at most this number of edges leads to, with the start."""
        found = {start}
        for _ in range(steps):
            found = found.union(*(self._neighbors.get(entity, set()) for entity in found))
        return found

    def path_questions(self, hops: int) -> Iterator[PathQuestion]:
        """Yields the questions that 1 or 2 edges answer.

        One edge: the question of a fact. Two edges: the same question about "the country" that
        another fact describes, so that the path leads to the country first. Questions about a value
        that no edge leads to are left out.
        """
        found = dict.fromkeys(self._one_edge() if hops == 1 else self._two_edges())
        return (each for each in found if self.walk(each.start, each.path) == each.answer)

    def _one_edge(self) -> Iterator[PathQuestion]:
        for fact in self.facts:
            yield PathQuestion(fact.question, fact.subject, (fact.relation,), fact.value)

    def _two_edges(self) -> Iterator[PathQuestion]:
        by_subject: dict[str, list[Fact]] = {}
        for fact in self.facts:
            by_subject.setdefault(fact.subject, []).append(fact)
        for facts in by_subject.values():
            for known, asked in itertools.permutations(facts, 2):
                back = backward(known.relation)
                is_same_edge = (known.relation, known.value) == (asked.relation, asked.value)
                if not is_same_edge and self.follow(known.value, back) == asked.subject:
                    described = f"the country whose {known.relation} is {known.value}"
                    question = asked.question.replace(asked.subject, described)
                    yield PathQuestion(question, known.value, (back, asked.relation), asked.value)
