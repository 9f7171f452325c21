import numpy as np
import pytest

from lm_envs.tasks.next_word import NextWord
from tests.tasks.helpers import embedded_tokenizer, write_rows

TOKENIZER = embedded_tokenizer()
PASSAGE = "The Congress of the United States meets once in every year."


@pytest.fixture
def passages(tmp_path):
    row = {"text": PASSAGE, "split": "train", "author": "Adams"}
    return write_rows(tmp_path, [row, row | {"text": "Peace."}])


def test_prompt_and_reference_are_consecutive_tokens_of_the_passage(passages):
    task = NextWord(TOKENIZER, dataset=passages, prompt_tokens=3, max_new_tokens=4)
    example = task.example(0)
    tokens = TOKENIZER.encode(PASSAGE)
    assert np.array_equal(np.concatenate([example.prompt, example.reference]), tokens[:7])
    assert example.targets == (TOKENIZER.decode(tokens[3:7]).strip(),)
    assert task.oracle_completion(example, []) == example.targets[0]


def test_a_prompt_is_at_most_half_of_the_passage(passages):
    task = NextWord(TOKENIZER, dataset=passages, prompt_tokens=50)
    assert len(task.example(0).prompt) == len(TOKENIZER.encode(PASSAGE)) // 2
    assert len(task.example(1).prompt) == len(TOKENIZER.encode("Peace.")) // 2


def test_other_columns_of_a_row_reach_the_example(passages):
    assert NextWord(TOKENIZER, dataset=passages).example(0).columns == {"author": "Adams"}


def test_column_selects_the_field_of_the_passages(passages):
    task = NextWord(TOKENIZER, dataset=passages, column="author", prompt_tokens=1)
    assert TOKENIZER.decode(task.example(0).prompt)[0] == "A"


def test_a_callers_own_prompt_has_no_reference(passages):
    example = NextWord(TOKENIZER, dataset=passages).example_of("Hello")
    assert (example.index, example.targets, len(example.reference)) == (-1, (), 0)


def test_without_prompt_tokens_a_text_begins_after_the_end_of_another(passages):
    task = NextWord(TOKENIZER, dataset=passages, prompt_tokens=0, max_new_tokens=4)
    assert [task.example(i).prompt.tolist() for i in (0, 1)] == [[TOKENIZER.end_token]] * 2
    assert task.example(0).reference.tolist() == TOKENIZER.encode(PASSAGE)[:4].tolist()
    assert (task.prompt_tokens, task.context_tokens) == (1, 5)


@pytest.mark.parametrize(("name", "least"), [("prompt_tokens", 0), ("max_new_tokens", 1)])
def test_too_small_token_counts_are_refused(name, least):
    with pytest.raises(ValueError, match=f"allowed: a whole number, {least} or more"):
        NextWord(TOKENIZER, **{name: least - 1})
