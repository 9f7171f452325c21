import pytest

from lm_envs.tasks.simulators.fact_graph import MAX_DISTANCE, Fact, FactGraph

FACTS = [
    Fact("Thailand", "capital", "Bangkok", "What is the capital of Thailand?"),
    Fact("Thailand", "currency", "baht", "What is the currency of Thailand?"),
    Fact("France", "currency", "euros", "What is the currency of France?"),
    Fact("Spain", "currency", "euros", "What is the currency of Spain?"),
]


def test_an_edge_leads_back_only_if_the_subject_is_unique():
    graph = FactGraph(FACTS)
    assert graph.follow("baht", "currency of") == "Thailand"
    assert graph.follow("euros", "currency of") is None


def test_a_relation_without_an_edge_is_skipped():
    assert FactGraph(FACTS).walk("baht", ["capital", "currency of", "capital"]) == "Bangkok"


@pytest.mark.parametrize(
    ("start", "goal", "distance"),
    [("baht", "baht", 0), ("baht", "Thailand", 1), ("baht", "Bangkok", 2), ("baht", "euros", 5)],
)
def test_distances_count_edges_up_to_a_limit(start, goal, distance):
    assert FactGraph(FACTS).distance(start, goal) == distance <= MAX_DISTANCE


def test_two_edges_ask_about_the_country_that_a_fact_describes():
    found = {each.question: each for each in FactGraph(FACTS).path_questions(2)}
    chosen = found["What is the capital of the country whose currency is baht?"]
    assert (chosen.start, chosen.path) == ("baht", ("currency of", "capital"))
    assert chosen.answer == "Bangkok"
    assert not any("euros" in question for question in found)


def test_of_several_values_only_the_one_with_an_edge_is_asked_for():
    two = [*FACTS, Fact("Thailand", "capital", "Krung Thep", "What is the capital of Thailand?")]
    graph = FactGraph(two)
    answers = [each.answer for each in graph.path_questions(1) if "capital" in each.path]
    assert answers == ["Krung Thep"]
    for each in [*graph.path_questions(1), *graph.path_questions(2)]:
        assert graph.walk(each.start, each.path) == each.answer


def test_a_repeated_fact_is_one_fact():
    """Regression: its edge back was removed, and with it all questions of two edges."""
    once, twice = FactGraph(FACTS), FactGraph([*FACTS, *FACTS])
    for hops in (1, 2):
        assert list(twice.path_questions(hops)) == list(once.path_questions(hops))
    assert twice.follow("baht", "currency of") == "Thailand"


def test_one_fact_may_be_stated_with_several_questions():
    other = Fact("Thailand", "capital", "Bangkok", "Which city governs Thailand?")
    graph = FactGraph([*FACTS, other])
    assert graph.follow("Bangkok", "capital of") == "Thailand"
    assert other.question in {each.question for each in graph.path_questions(1)}
    paths = [each.path for each in graph.path_questions(2)]
    assert ("capital of", "capital") not in paths


def test_an_edge_is_a_relation_and_its_direction():
    graph = FactGraph(FACTS)
    assert graph.edge("currency") == ("currency", False)
    assert graph.edge("currency of") == ("currency", True)


def test_what_is_reached_grows_by_an_edge_at_each_step():
    graph = FactGraph(FACTS)
    assert graph.reached("baht", 0) == {"baht"}
    assert graph.reached("baht", 1) == {"baht", "Thailand"}
    assert graph.reached("baht", 2) == {"baht", "Thailand", "Bangkok"}
