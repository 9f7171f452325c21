"""Walking through the graph of facts."""

import json

import pytest

from lm_envs.tasks.knowledge_graph import KnowledgeGraphQA
from lm_envs.tasks.splits import SPLITS, split_of
from tests.tasks.helpers import embedded_tokenizer, option_texts


@pytest.fixture(scope="module")
def task():
    return KnowledgeGraphQA(embedded_tokenizer(), split="validation")


def path_of(task, index):
    example, turns = task.example(index), []
    while not turns or turns[-1] != "stop":
        turns.append(task.oracle_completion(example, turns))
    return turns


def test_long_names_fit_into_budget_and_context(tmp_path):
    relation = "the name of the largest city in the north of the country"
    row = {"subject": "Oz", "relation": relation, "answer": "Emerald City on the far river"}
    path = tmp_path / "facts.jsonl"
    path.write_text(json.dumps(row | {"question": "Which city?", "split": "train"}))
    tokenizer = embedded_tokenizer()
    task = KnowledgeGraphQA(tokenizer, dataset=str(path), split=split_of("Which city?", 0.1))
    turns = [relation, f"{relation} of"] * 3
    for count in range(1, task.max_turns):
        written = sum(len(tokenizer.encode(f" {turn}")) for turn in turns[: count + 1])
        context = tokenizer.encode(task.respond(task.example(0), turns[:count]).context)
        assert written <= task.max_new_tokens
        assert len(context) + task.max_new_tokens - written <= task.context_tokens


def test_questions_that_are_too_long_are_left_out_with_a_warning(tmp_path):
    """Regression: they were left out silently."""
    questions = ["Which?", "Which " + "of those many cities " * 30 + "?"]
    fact = {"subject": "Oz", "relation": "capital\nof it", "answer": "Emerald City"}
    rows = [fact | {"question": q, "subject": f"Oz {n}"} for n, q in enumerate(questions)]
    path = tmp_path / "facts.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    tokenizer = embedded_tokenizer()
    assert {split_of(question, 0.1) for question in questions} == {"train"}
    with pytest.warns(UserWarning, match=r"Left out 1 of 2 .*prompt_tokens=64 \(the longest needs"):
        task = KnowledgeGraphQA(tokenizer, dataset=str(path), hops=1)
    assert task.num_examples == 1
    assert option_texts(task, 0) == ["capital of it", "capital of it of", "stop"]


def test_a_fact_with_a_list_of_answers_is_refused(tmp_path):
    """Regression: all answers but the first were left out without notice."""
    row = {"subject": "x", "relation": "y", "answer": ["A", "B"], "question": "What is the y of x?"}
    path = tmp_path / "facts.jsonl"
    path.write_text(json.dumps(row))
    with pytest.raises(ValueError, match=r"2 texts as 'answer' at .*line 1; .* a row for each"):
        KnowledgeGraphQA(embedded_tokenizer(), dataset=str(path))


def test_rows_marked_as_outside_the_graph_are_left_out(tmp_path):
    row = {"subject": "Oz", "relation": "capital", "answer": "Emerald City", "question": "Which?"}
    marked = {"subject": "Ix", "relation": "ruler", "answer": "Ozma", "question": "Who?"}
    path = tmp_path / "facts.jsonl"
    path.write_text("\n".join(map(json.dumps, [row, marked | {"graph": "no"}])))
    tokenizer = embedded_tokenizer()
    task = KnowledgeGraphQA(tokenizer, dataset=str(path), split=split_of("Which?", 0.1))
    assert option_texts(task, 0) == ["capital", "capital of", "stop"]


def test_the_embedded_graph_has_the_same_questions_as_before():
    tokenizer = embedded_tokenizer()
    sizes = [KnowledgeGraphQA(tokenizer, split=split).num_examples for split in SPLITS]
    assert sizes == [3700, 426, 486]


def test_a_split_without_questions_is_refused():
    with pytest.raises(ValueError, match=r"no question of hops=2 in split 'test'.*raise it"):
        KnowledgeGraphQA(embedded_tokenizer(), hops=2, split="test", prompt_tokens=3)


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


def test_a_walk_that_stops_elsewhere_or_never_is_incorrect(task):
    example, path = task.example(0), path_of(task, 0)
    assert task.respond(example, ["stop"]).task_scores["correct"] == 0.0
    unfinished = task.respond(example, path[:-1])
    assert (unfinished.is_over, unfinished.task_scores["correct"]) == (False, 0.0)


def test_the_enabled_options_are_the_edges_of_the_entity(task):
    for index in range(0, task.num_examples, 29):
        example, path = task.example(index), path_of(task, index)
        for step in range(len(path)):
            lines = {
                option.text: option.is_enabled for option in task.options(example, path[:step])
            }
            assert lines[path[step]]
            assert not all(lines.values())


def test_the_context_shows_the_current_entity(task):
    index = next(i for i in range(task.num_examples) if len(path_of(task, i)) == 3)
    example, path = task.example(index), path_of(task, index)
    context = task.respond(example, path[:2]).context
    assert f"-> {example.targets[0]}\nNext:" in context


def test_questions_are_held_out(task):
    tokenizer = embedded_tokenizer()
    train = KnowledgeGraphQA(tokenizer, split="train")
    questions = [
        {tokenizer.decode(t.example(i).prompt).split("\n")[0] for i in range(t.num_examples)}
        for t in (task, train)
    ]
    assert not questions[0] & questions[1]


def test_a_callers_own_prompt_is_refused(task):
    with pytest.raises(ValueError, match="select an example by 'index'"):
        task.example_of("Where?")
