"""The graph of facts, and walking through it."""

import json

import pytest

from lm_envs.model.loading import EMBEDDED, locate
from lm_envs.tasks.fact_graph import Fact, FactGraph
from lm_envs.tasks.knowledge_graph import KnowledgeGraphQA
from lm_envs.tasks.splits import SPLITS, split_of
from lm_envs.tokenizer import Tokenizer

FACTS = [
    Fact("Thailand", "capital", "Bangkok", "What is the capital of Thailand?"),
    Fact("Thailand", "currency", "baht", "What is the currency of Thailand?"),
    Fact("France", "currency", "euros", "What is the currency of France?"),
    Fact("Spain", "currency", "euros", "What is the currency of Spain?"),
]


@pytest.fixture(scope="module")
def task():
    return KnowledgeGraphQA(Tokenizer.from_folder(locate(EMBEDDED)), split="validation")


def path_of(task, index):
    example, turns = task.example(index), []
    while not turns or turns[-1] != "stop":
        turns.append(task.oracle_completion(example, turns))
    return turns


def test_an_edge_leads_back_only_where_that_is_unique():
    graph = FactGraph(FACTS)
    assert graph.follow("baht", "currency of") == "Thailand"
    assert graph.follow("euros", "currency of") is None


def test_two_edges_ask_about_the_country_that_a_fact_describes():
    path_questions = {quest.question: quest for quest in FactGraph(FACTS).path_questions(2)}
    quest = path_questions["What is the capital of the country whose currency is baht?"]
    assert (quest.start, quest.path, quest.answer) == (
        "baht",
        ("currency of", "capital"),
        "Bangkok",
    )
    assert not any("euros" in question for question in path_questions)


def test_a_relation_with_several_values_is_asked_for_the_one_it_leads_to():
    two = [*FACTS, Fact("Thailand", "capital", "Krung Thep", "What is the capital of Thailand?")]
    graph = FactGraph(two)
    answers = [quest.answer for quest in graph.path_questions(1) if "capital" in quest.path]
    assert answers == ["Krung Thep"]
    for quest in [*graph.path_questions(1), *graph.path_questions(2)]:
        assert graph.walk(quest.start, quest.path) == quest.answer


def test_long_names_fit_into_budget_and_context(tmp_path):
    relation = "the name of the largest city in the north of the country"
    row = {"subject": "Oz", "relation": relation, "answer": "Emerald City on the far river"}
    path = tmp_path / "facts.jsonl"
    path.write_text(json.dumps(row | {"question": "Which city?", "split": "train"}))
    tokenizer = Tokenizer.from_folder(locate(EMBEDDED))
    task = KnowledgeGraphQA(tokenizer, dataset=str(path), split=split_of("Which city?", 0.1))
    turns = [relation, f"{relation} of"] * 3
    for count in range(1, task.max_turns):
        written = sum(len(tokenizer.encode(f" {turn}")) for turn in turns[: count + 1])
        context = tokenizer.encode(task.respond(task.example(0), turns[:count]).context)
        assert written <= task.max_new_tokens
        assert len(context) + task.max_new_tokens - written <= task.context_tokens


def test_it_is_said_how_many_of_a_callers_questions_are_too_long(tmp_path):
    """Regression: they vanished without a word."""
    questions = ["Which?", "Which " + "of those many cities " * 30 + "?"]
    fact = {"subject": "Oz", "relation": "capital\nof it", "answer": "Emerald City"}
    rows = [fact | {"question": q, "subject": f"Oz {n}"} for n, q in enumerate(questions)]
    path = tmp_path / "facts.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    tokenizer = Tokenizer.from_folder(locate(EMBEDDED))
    assert {split_of(question, 0.1) for question in questions} == {"train"}
    with pytest.warns(UserWarning, match=r"Left out 1 of 2 .*prompt_tokens=64 \(the longest needs"):
        task = KnowledgeGraphQA(tokenizer, dataset=str(path), hops=1)
    assert task.num_examples == 1
    options = [option.text for option in task.options(task.example(0), [])]
    assert options == ["capital of it", "capital of it of", "stop"]


def test_rows_marked_as_outside_the_graph_are_left_out(tmp_path):
    row = {"subject": "Oz", "relation": "capital", "answer": "Emerald City", "question": "Which?"}
    marked = {"subject": "Ix", "relation": "ruler", "answer": "Ozma", "question": "Who?"}
    path = tmp_path / "facts.jsonl"
    path.write_text("\n".join(map(json.dumps, [row, marked | {"graph": "no"}])))
    tokenizer = Tokenizer.from_folder(locate(EMBEDDED))
    task = KnowledgeGraphQA(tokenizer, dataset=str(path), split=split_of("Which?", 0.1))
    options = [option.text for option in task.options(task.example(0), [])]
    assert options == ["capital", "capital of", "stop"]


def test_the_embedded_graph_keeps_its_questions():
    tokenizer = Tokenizer.from_folder(locate(EMBEDDED))
    sizes = [KnowledgeGraphQA(tokenizer, split=split).num_examples for split in SPLITS]
    assert sizes == [3708, 428, 483]


def test_a_split_without_questions_is_refused():
    with pytest.raises(ValueError, match=r"no question of hops=2 in split 'test'.*raise it"):
        KnowledgeGraphQA(
            Tokenizer.from_folder(locate(EMBEDDED)), hops=2, split="test", prompt_tokens=3
        )


def test_a_walk_stays_where_there_is_no_edge():
    assert FactGraph(FACTS).walk("baht", ["capital", "currency of", "capital"]) == "Bangkok"


def test_distances_are_shortest_paths():
    graph = FactGraph(FACTS)
    places = ("baht", "Thailand", "Bangkok", "France")
    assert [graph.distance("baht", place) for place in places] == [0, 1, 2, 5]


def test_closeness_is_the_share_of_the_way(task):
    index = next(i for i in range(task.num_examples) if len(path_of(task, i)) == 3)
    example, path = task.example(index), path_of(task, index)
    closeness = [task.respond(example, path[:n]).task_scores["closeness"] for n in (1, 2, 3)]
    assert closeness == [0.5, 1.0, 1.0]


def test_every_question_is_answered_by_its_path(task):
    for index in range(task.num_examples):
        response = task.respond(task.example(index), path_of(task, index))
        assert response.is_over
        assert response.task_scores["correct"] == 1.0


def test_stopping_elsewhere_or_not_at_all_is_wrong(task):
    example, path = task.example(0), path_of(task, 0)
    assert task.respond(example, ["stop"]).task_scores["correct"] == 0.0
    unfinished = task.respond(example, path[:-1])
    assert (unfinished.is_over, unfinished.task_scores["correct"]) == (False, 0.0)


def test_the_open_lines_are_the_edges_of_the_entity(task):
    for index in range(0, task.num_examples, 29):
        example, path = task.example(index), path_of(task, index)
        for step in range(len(path)):
            lines = {
                option.text: option.is_enabled for option in task.options(example, path[:step])
            }
            assert lines[path[step]]
            assert not all(lines.values())


def test_the_context_tells_where_the_walker_is(task):
    index = next(i for i in range(task.num_examples) if len(path_of(task, i)) == 3)
    example, path = task.example(index), path_of(task, index)
    context = task.respond(example, path[:2]).context
    assert f"-> {example.targets[0]}\nNext:" in context


def test_questions_are_held_out(task):
    tokenizer = Tokenizer.from_folder(locate(EMBEDDED))
    train = KnowledgeGraphQA(tokenizer, split="train")
    questions = [
        {tokenizer.decode(t.example(i).prompt).split("\n")[0] for i in range(t.num_examples)}
        for t in (task, train)
    ]
    assert not questions[0] & questions[1]


def test_a_prompt_of_ones_own_is_refused(task):
    with pytest.raises(ValueError, match="pin an example by 'index'"):
        task.example_of("Where?")
