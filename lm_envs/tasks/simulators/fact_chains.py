"""Questions about the end of a chain of edges: one, two or three, from entity to entity.

Owns which chains are asked about, and how many questions each has. Knows nothing of tokens, models
or rewards.
"""

from collections.abc import Iterator
from zlib import crc32

from lm_envs.tasks.simulators.fact_graph import Fact, FactGraph, PathQuestion

MOST_PER_CHAIN = 8
"""Questions with the same relations in the same order; those with the smallest hashes are kept."""


def chain_questions(graph: FactGraph, hops: int) -> list[PathQuestion]:
    """Returns the questions that chains of edges answer, at most `MOST_PER_CHAIN` of each chain.

    A chain begins at any entity, passes subjects of facts only, enters none of them twice, and ends
    by a fact. "What is the capital of the main customer of the country whose currency is drams?"
    has three edges. No shorter walk leads to its answer, so that no edge can be left out.

    Args:
        graph: The facts.
        hops: Number of edges.
    """
    chains: dict[tuple[str, ...], list[PathQuestion]] = {}
    for each in _walks(graph, hops):
        chains.setdefault(each.path, []).append(each)
    found = []
    for questions in chains.values():
        questions.sort(key=lambda each: crc32(each.question.encode()))
        found += questions[:MOST_PER_CHAIN]
    return found


def _walks(graph: FactGraph, hops: int) -> Iterator[PathQuestion]:
    """Yields the questions of all chains with a number of edges."""
    asked: dict[str, dict[str, Fact]] = {}
    for fact in graph.facts:
        if graph.follow(fact.subject, fact.relation) == fact.value:
            asked.setdefault(fact.subject, {}).setdefault(fact.relation, fact)
    starts = dict.fromkeys(name for fact in graph.facts for name in (fact.subject, fact.value))
    for start in starts:
        nearer = graph.reached(start, hops - 1)
        for path, passed, description in _through(graph, start, hops - 1, asked):
            for fact in asked.get(passed[-1], {}).values():
                if fact.value not in nearer and fact.value not in passed:
                    question = fact.question.replace(fact.subject, description)
                    yield PathQuestion(question, start, (*path, fact.relation), fact.value)


Walk = tuple[tuple[str, ...], tuple[str, ...], str]
"""Relations, entities from the start on, and a description of the last entity."""


def _through(
    graph: FactGraph, start: str, count: int, subjects: dict[str, dict[str, Fact]]
) -> list[Walk]:
    """Returns the walks of `count` edges from subject to subject; only the start may be a value."""
    walks: list[Walk] = [((), (start,), start)]
    for _ in range(count):
        longer: list[Walk] = []
        for path, passed, description in walks:
            for relation in graph.relations:
                following = graph.follow(passed[-1], relation)
                if following in subjects and following not in passed:
                    name = _described(graph, relation, description)
                    longer.append(((*path, relation), (*passed, following), name))
        walks = longer
    return walks


def _described(graph: FactGraph, relation: str, start: str) -> str:
    """Returns a description of the entity that a relation leads to from a described entity."""
    name, is_back = graph.edge(relation)
    return f"the country whose {name} is {start}" if is_back else f"the {name} of {start}"
