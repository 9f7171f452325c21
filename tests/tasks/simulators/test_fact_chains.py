from collections import Counter

import pytest

from lm_envs.tasks.simulators.fact_chains import MOST_PER_CHAIN, chain_questions
from lm_envs.tasks.simulators.fact_graph import Fact, FactGraph


def fact(subject, relation, value):
    return Fact(subject, relation, value, f"What is the {relation} of {subject}?")


FACTS = [
    fact("Thailand", "currency", "baht"),
    fact("Thailand", "neighbor", "Laos"),
    fact("Laos", "neighbor", "Vietnam"),
    fact("Laos", "capital", "Vientiane"),
    fact("Vietnam", "capital", "Hanoi"),
    fact("Vietnam", "neighbor", "Laos"),
]


def test_three_edges_ask_about_a_country_that_two_others_lead_to():
    found = {each.question: each for each in chain_questions(FactGraph(FACTS), 3)}
    chosen = found["What is the capital of the neighbor of the country whose currency is baht?"]
    assert chosen.path == ("currency of", "neighbor", "capital")
    assert (chosen.start, chosen.answer) == ("baht", "Vientiane")
    chosen = found["What is the capital of the neighbor of the neighbor of Thailand?"]
    assert (chosen.start, chosen.answer) == ("Thailand", "Hanoi")


@pytest.mark.parametrize("hops", [1, 2, 3])
def test_no_shorter_walk_leads_to_an_answer(hops):
    graph = FactGraph(FACTS)
    found = chain_questions(graph, hops)
    assert found
    for each in found:
        assert graph.walk(each.start, each.path) == each.answer
        assert graph.distance(each.start, each.answer) == len(each.path) == hops


def test_a_chain_has_no_more_questions_than_the_limit_and_always_the_same():
    facts = [
        fact(f"Land {n}", *rest)
        for n in range(2 * MOST_PER_CHAIN)
        for rest in (("capital", f"City {n}"), ("currency", f"coins {n}"))
    ]
    found = chain_questions(FactGraph(facts), 2)
    assert Counter(each.path for each in found) == {
        ("capital of", "currency"): MOST_PER_CHAIN,
        ("currency of", "capital"): MOST_PER_CHAIN,
    }
    assert set(chain_questions(FactGraph(facts[::-1]), 2)) == set(found)


def test_two_values_of_one_relation_make_one_question():
    two = [*FACTS, fact("Vietnam", "capital", "Hue")]
    found = [each for each in chain_questions(FactGraph(two), 1) if each.start == "Vietnam"]
    assert [each.answer for each in found if each.path == ("capital",)] == ["Hue"]
