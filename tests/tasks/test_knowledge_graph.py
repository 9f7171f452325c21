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


HARD = {"hops": [1, 2, 3], "held_out": "compositions", "wordings": "varied"}


@pytest.fixture(scope="module")
def hard():
    return {split: KnowledgeGraphQA(embedded_tokenizer(), split=split, **HARD) for split in SPLITS}


def test_compositions_of_one_split_are_in_no_other_one(hard):
    train, validation, test = (
        {each.path for each in hard[split].questions(split)} for split in SPLITS
    )
    assert min(map(len, (train, validation, test))) > 50
    assert not train & validation
    assert not (train | validation) & test
    single = {path for path in train if len(path) == 1}
    assert single == {(name,) for name in hard["train"].relations}
    assert all(len(path) > 1 for path in validation | test)


def test_questions_of_held_out_compositions_are_answered_by_their_paths(hard):
    task = hard["validation"]
    for index in range(0, task.num_examples, 7):
        path, example = path_of(task, index), task.example(index)
        assert task.respond(example, path).task_scores["correct"] == 1.0
        assert task.respond(example, ["stop"]).task_scores["closeness"] == 0.0
        assert 3 <= len(path) <= 4


def test_questions_are_unambiguous(hard):
    answers = {}
    for split in SPLITS:
        for each in hard[split].questions(split):
            assert answers.setdefault(each.question, each.answer) == each.answer
            assert each.start != each.answer


def test_wordings_change_words_alone_and_not_what_is_held_out(hard):
    plain = KnowledgeGraphQA(
        embedded_tokenizer(), split="validation", **HARD | {"wordings": "facts"}
    )
    first, second = plain.questions("validation"), hard["validation"].questions("validation")
    assert [(e.start, e.path, e.answer) for e in first] == [
        (e.start, e.path, e.answer) for e in second
    ]
    assert not {e.question for e in first} & {e.question for e in second}


def test_three_hops_add_links_between_countries_to_the_actions(hard):
    relations = ("main neighbor", "main customer", "main supplier")
    assert hard["train"].relations[-3:] == relations
    assert hard["train"].num_options == 25


def test_two_hops_with_varied_wordings_have_as_many_questions_as_the_facts():
    tasks = [
        KnowledgeGraphQA(embedded_tokenizer(), split=split, wordings="varied", prompt_tokens=200)
        for split in SPLITS
    ]
    assert [task.num_examples for task in tasks] == [3700, 426, 486]
    assert not tasks[0].is_simple


@pytest.mark.parametrize(
    ("argument", "match"),
    [
        ({"hops": [1, 4]}, "hops.*4"),
        ({"hops": []}, "hops"),
        ({"held_out": "answers"}, "held_out.*'answers'.*compositions"),
        ({"wordings": "odd"}, "wordings.*'odd'.*varied"),
    ],
)
def test_unknown_kinds_of_questions_are_refused(argument, match):
    with pytest.raises(ValueError, match=match):
        KnowledgeGraphQA(embedded_tokenizer(), **argument)


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
