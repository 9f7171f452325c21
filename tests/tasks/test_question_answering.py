import warnings
from typing import Any

import pytest

from lm_envs.tasks.question_answering import QuestionAnswering
from tests.tasks.helpers import embedded_tokenizer, install_reasoning_gym, write_rows

TOKENIZER = embedded_tokenizer()


def test_the_context_contains_the_answer():
    task = QuestionAnswering(TOKENIZER, mode="extractive")
    for index in range(0, task.num_examples, 37):
        example = task.example(index)
        prompt = TOKENIZER.decode(example.prompt)
        assert prompt.startswith("Context: ")
        assert example.targets[0] in prompt


def test_all_answers_of_a_squad_row_are_targets(tmp_path):
    rows = [{"question": "Who?", "answers": {"text": ["Ada", "Ada L."]}, "split": "train"}]
    path = write_rows(tmp_path, rows)
    task = QuestionAnswering(TOKENIZER, dataset=path, columns={"answer": "answers"})
    assert task.example(0).targets == ("Ada", "Ada L.")


def test_closed_book_keeps_the_context_as_a_column_only(tmp_path):
    row = {"question": "Who?", "answer": "Ada", "context": "It was Ada.", "split": "train"}
    path = write_rows(tmp_path, [row])
    closed, extractive = (
        QuestionAnswering(TOKENIZER, dataset=path, mode=mode).example(0)
        for mode in ("closed_book", "extractive")
    )
    assert TOKENIZER.decode(closed.prompt) == "Question: Who?\nAnswer:"
    assert closed.columns == {"context": "It was Ada."}
    assert extractive.columns == {}


def test_the_paragraphs_of_a_context_are_joined(tmp_path):
    """Regression: all paragraphs but the first were left out without notice."""
    row = {"question": "Who?", "answer": "Ada", "context": ["It was", "Ada."], "split": "train"}
    task = QuestionAnswering(TOKENIZER, dataset=write_rows(tmp_path, [row]), mode="extractive")
    assert TOKENIZER.decode(task.example(0).prompt).startswith("Context: It was Ada.\nQuestion:")


def test_generated_answers_are_verified_and_a_callers_prompt_is_not(monkeypatch):
    install_reasoning_gym(
        monkeypatch,
        lambda seed: [f"2 + {number} + {seed}?" for number in range(9)],
        lambda answer, entry: answer == entry["answer"],
    )
    task = QuestionAnswering(TOKENIZER, dataset="reasoning_gym:sums")
    assert task.reward.weights == {"verified": 1.0}
    example = task.example(0)
    assert task.respond(example, [" 4\n"]).task_scores == {"verified": 1.0}
    assert task.respond(example, [" 5\n"]).task_scores == {"verified": 0.0}
    assert task.respond(task.example_of("Question: 1?\nAnswer:"), [" 4\n"]).task_scores == {}


@pytest.mark.parametrize("options", [{"mode": "extractive"}, {"columns": {"question": "q"}}])
def test_generated_questions_have_no_context_and_no_columns(options):
    with pytest.raises(ValueError, match="allowed: 'closed_book' and no columns"):
        QuestionAnswering(TOKENIZER, dataset="reasoning_gym:sums", **options)


WORDINGS: dict[str, Any] = {"mode": "extractive", "held_out": "wordings"}


def test_with_held_out_wordings_every_prompt_fits_and_no_other_split_has_its_country():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tasks = [
            QuestionAnswering(TOKENIZER, split=split, **WORDINGS)
            for split in ("train", "validation", "test")
        ]
    subjects = []
    for task in tasks:
        examples = [task.example(index) for index in range(task.num_examples)]
        assert len(examples) > 1_000
        subjects.append({example.columns["subject"] for example in examples})
    assert not subjects[0] & subjects[1]
    assert not (subjects[0] | subjects[1]) & subjects[2]
    assert max(task.context_tokens for task in tasks) <= 256  # positions of the embedded model


def test_a_part_of_a_split_has_fewer_questions_of_it():
    whole, part = (
        QuestionAnswering(TOKENIZER, split=split, **WORDINGS)
        for split in ("validation", "validation[:25%]")
    )
    assert part.num_examples == round(whole.num_examples / 4)


@pytest.mark.parametrize(
    "options", [{"mode": "closed_book"}, {"dataset": "a.jsonl"}, {"columns": {"question": "q"}}]
)
def test_held_out_wordings_are_of_embedded_contexts(options):
    with pytest.raises(ValueError, match=r"Got held_out='wordings' with .*; allowed: embedded"):
        QuestionAnswering(TOKENIZER, **{**WORDINGS, **options})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "open"}, "mode='open'"),
        ({"held_out": "rules"}, "held_out='rules'"),
        ({"columns": {"query": "q"}}, "name in columns='query'"),
        ({"prompt_tokens": 2}, "at most prompt_tokens=2 tokens"),
    ],
)
def test_arguments_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        QuestionAnswering(TOKENIZER, **options)
