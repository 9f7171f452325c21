"""Paraphrase, questions, translation and labels: what is asked, what is right, what is offered."""

import json
import warnings

import numpy as np
import pytest

from lm_envs.model.loading import EMBEDDED, locate
from lm_envs.tasks.classification import Classification
from lm_envs.tasks.completion import CompletionItem, CompletionTask
from lm_envs.tasks.paraphrase import Paraphrase
from lm_envs.tasks.question_answering import QuestionAnswering
from lm_envs.tasks.translation import Translation
from lm_envs.tokenizer import Tokenizer

SPLITS = ("train", "validation", "test")


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.from_folder(locate(EMBEDDED))


def write(tmp_path, rows):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


@pytest.mark.parametrize("kind", [Paraphrase, QuestionAnswering, Translation, Classification])
def test_every_split_has_examples_and_shares_no_prompt(tokenizer, kind):
    prompts = []
    for split in SPLITS:
        task = kind(tokenizer, split=split)
        examples = [task.example(index) for index in range(task.num_examples)]
        prompts.append({tuple(example.prompt.tolist()) for example in examples})
    assert all(prompts)
    assert sum(map(len, prompts)) == len(set.union(*prompts))


@pytest.mark.parametrize("kind", [Paraphrase, QuestionAnswering, Translation, Classification])
def test_exactly_one_option_is_right(tokenizer, kind):
    task = kind(tokenizer, split="test")
    for index in range(task.num_examples):
        example = task.example(index)
        options = [option.text for option in task.options(example, [])]
        assert len(options) == len(set(options)) == task.num_options
        assert len(set(options) & set(example.targets)) == 1


@pytest.mark.parametrize("kind", ["topic", "language", "sentiment"])
def test_a_label_is_the_same_action_in_every_split(tokenizer, kind):
    tasks = [Classification(tokenizer, split=split, kind=kind) for split in SPLITS]
    offered = [[option.text for option in task.options(task.example(0), [])] for task in tasks]
    assert offered[0] == offered[1] == offered[2]


def test_the_right_option_stands_anywhere(tokenizer):
    task = QuestionAnswering(tokenizer)
    places = [
        [o.text for o in task.options(task.example(i), [])].index(task.example(i).targets[0])
        for i in range(task.num_examples)
    ]
    shares = np.bincount(places, minlength=4) / len(places)
    assert (np.abs(shares - 0.25) < 0.06).all()


def offered(tokenizer, lines):
    task = CompletionTask(
        tokenizer, lines, prompt_tokens=8, max_new_tokens=4, rewards={"exact_match": 1.0}
    )
    examples = [task.example(index) for index in range(task.num_examples)]
    options = [[option.text for option in task.options(example, [])] for example in examples]
    return task, options


def test_distractors_are_of_the_same_group_where_there_are_enough(tokenizer):
    groups = ["one"] * 5 + ["two"] * 2
    lines = [
        CompletionItem("?", (text,), group) for text, group in zip("abcdexy", groups, strict=True)
    ]
    _, options = offered(tokenizer, lines)
    assert all(set(row) <= set("abcde") for row in options[:5])
    assert all(len(row) == 4 for row in options)


def test_rows_with_several_answers_are_offered_as_many_lines_as_others(tokenizer):
    lines = [
        CompletionItem("?", ("a",)),
        CompletionItem("?", ("b", "c", "d")),
        CompletionItem("?", ("c", "a")),
        CompletionItem("?", ("d",)),
    ]
    task, options = offered(tokenizer, lines)
    assert [len(set(row)) for row in options] == [task.num_options] * 4
    for line, row in zip(lines, options, strict=True):
        assert len(set(row) & set(line.targets)) == 1


def test_an_example_too_long_to_write_is_left_out_alone(tokenizer):
    long = "one two three four five six seven"
    task, options = offered(tokenizer, [CompletionItem("?", (text,)) for text in ("a", "b", long)])
    assert task.num_examples == 2
    assert all(set(row) == {"a", "b"} for row in options)


def test_a_context_holds_the_answer(tokenizer):
    task = QuestionAnswering(tokenizer, mode="extractive")
    for index in range(0, task.num_examples, 37):
        example = task.example(index)
        prompt = tokenizer.decode(example.prompt)
        assert prompt.startswith("Context: ")
        assert example.targets[0] in prompt


def test_squad_answers_are_all_right(tokenizer, tmp_path):
    rows = [{"question": "Who?", "answers": {"text": ["Ada", "Ada L."]}, "split": "train"}]
    path = write(tmp_path, rows)
    task = QuestionAnswering(tokenizer, dataset=path, columns={"answer": "answers"})
    assert task.example(0).targets == ("Ada", "Ada L.")


def test_a_file_of_ones_own_pairs(tokenizer, tmp_path):
    path = write(tmp_path, [{"a": "今天天气不错", "b": "今天天气很好", "split": "train"}])
    task = Paraphrase(tokenizer, dataset=path, columns={"text": "a", "target": "b"})
    assert tokenizer.decode(task.example(0).prompt) == "Text: 今天天气不错\nParaphrase:"
    assert task.example(0).targets == ("今天天气很好",)


def test_a_target_of_several_lines_can_be_written_as_one(tokenizer, tmp_path):
    """Regression: it was kept as it is, and the first line end ended what was written."""
    path = write(tmp_path, [{"text": "a", "target": ["red \r\n blue\n", "x y"], "split": "train"}])
    task = Paraphrase(tokenizer, dataset=path)
    example = task.example(0)
    assert example.targets == ("red blue", "x y")
    assert tokenizer.decode(example.reference) == " red blue"
    assert not task.is_turn_over(task.oracle_completion(example, []))


def test_a_label_of_several_lines_can_be_chosen_and_have_a_cost(tokenizer, tmp_path):
    rows = [{"text": "Fine.", "label": "very\ngood"}, {"text": "Awful.", "label": "bad"}]
    path = write(tmp_path, [row | {"split": "train"} for row in rows])
    task = Classification(tokenizer, dataset=path, costs={"bad": {"very good": 0.5}})
    assert [option.text for option in task.options(task.example(0), [])] == ["bad", "very good"]
    assert task.respond(task.example(0), ["very good"]).task_scores == {"cost": 0.0}
    assert task.respond(task.example(1), ["very good"]).task_scores == {"cost": 0.5}


def test_an_answer_that_a_program_verifies_keeps_its_lines(tokenizer):
    lines = [CompletionItem("?", ("a\nb",), verify=lambda text: 1.0), CompletionItem("?", ("c",))]
    task, _ = offered(tokenizer, lines)
    assert task.example(0).targets == ("a\nb",)


@pytest.mark.parametrize(
    ("long", "remedy"),
    [
        ({"text": "word " * 60}, r"prompt_tokens=40 \(the longest needs 66\); raise it"),
        ({"target": "word " * 60}, r"max_new_tokens=36 \(the longest needs 61\); raise it"),
        (dict.fromkeys(("text", "target"), "word " * 60), r"prompt_tokens=40 .* and max_.*them"),
    ],
)
def test_it_is_said_how_many_of_a_callers_examples_are_too_long(tokenizer, tmp_path, long, remedy):
    """Regression: 99 of 100 vanished without a word."""
    row = {"text": "a", "target": "b", "split": "train"}
    path = write(tmp_path, [row, *[row | long] * 3])
    with pytest.warns(UserWarning, match=rf"Left out 3 of 4 examples of .*rows\.jsonl.*{remedy}"):
        assert Paraphrase(tokenizer, dataset=path).num_examples == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        room = {"prompt_tokens": 200, "max_new_tokens": 200}
        assert Paraphrase(tokenizer, dataset=path, **room).num_examples == 4


def test_the_pairs_of_the_brief_are_embedded(tokenizer):
    pairs = set()
    for split in SPLITS:
        task = Paraphrase(tokenizer, split=split, language="zh")
        for index in range(task.num_examples):
            example = task.example(index)
            pairs.add((tokenizer.decode(example.prompt).split("\n")[0], example.targets[0]))
    assert ("Text: 今天天气不错", "今天天气很好") in pairs
    assert ("Text: 昨晚的球赛很精彩", "昨晚的足球比赛很精彩") in pairs


@pytest.mark.parametrize(
    ("right", "written", "cost"),
    [("negative", " Negative", 0.0), ("negative", "positive", 5.0), ("positive", "negative", 1.0)],
)
def test_a_mistake_costs_what_was_said_or_one(tokenizer, right, written, cost):
    task = Classification(
        tokenizer, kind="sentiment", costs={"negative": {"positive": 5.0}}, rewards={"cost": -1.0}
    )
    examples = map(task.example, range(task.num_examples))
    example = next(example for example in examples if example.targets == (right,))
    assert task.respond(example, [written]).task_scores == {"cost": cost}


def test_a_text_with_several_right_labels_costs_the_least_of_them(tokenizer, tmp_path):
    rows = [{"text": "So so.", "label": ["good", "bad"]}, {"text": "Fine.", "label": "good"}]
    path = write(tmp_path, [row | {"split": "train"} for row in rows])
    task = Classification(tokenizer, dataset=path)
    assert task.respond(task.example(0), ["bad"]).task_scores == {"cost": 0.0}
    assert task.respond(task.example(1), ["bad"]).task_scores == {"cost": 1.0}


def test_a_label_that_only_ever_stands_second_can_be_chosen_and_have_a_cost(tokenizer, tmp_path):
    rows = [{"text": "So so.", "label": ["good", "mixed"]}, {"text": "Awful.", "label": "bad"}]
    path = write(tmp_path, [row | {"split": "train"} for row in rows])
    task = Classification(tokenizer, dataset=path, costs={"bad": {"mixed": 0.5}})
    offered = [option.text for option in task.options(task.example(0), [])]
    assert offered == ["bad", "good", "mixed"]
    assert task.respond(task.example(1), ["mixed"]).task_scores == {"cost": 0.5}


@pytest.mark.parametrize("cost", [float("nan"), "5", None])
def test_a_cost_that_is_no_number_is_refused(tokenizer, cost):
    with pytest.raises(ValueError, match=r"cost of 'positive' for 'negative'=.*a finite number"):
        Classification(tokenizer, kind="sentiment", costs={"negative": {"positive": cost}})


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (Translation, {"pair": "fr-fr"}, "pair='fr-fr'; allowed: 'en-fr'"),
        (Translation, {"kind": "verse"}, "kind='verse'"),
        (Paraphrase, {"language": "fr"}, "language='fr'; allowed: None, 'en', 'zh'"),
        (QuestionAnswering, {"mode": "open"}, "mode='open'"),
        (QuestionAnswering, {"columns": {"query": "q"}}, "name in columns='query'"),
        (QuestionAnswering, {"prompt_tokens": 2}, "at most prompt_tokens=2 tokens"),
        (Classification, {"kind": "mood"}, "kind='mood'; allowed: 'topic'"),
        (Classification, {"costs": {"sport": {}}}, "label in costs='sport'"),
    ],
)
def test_bad_arguments_are_refused(tokenizer, kind, options, message):
    with pytest.raises(ValueError, match=message):
        kind(tokenizer, **options)
