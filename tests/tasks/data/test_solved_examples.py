"""Few-shot prompts: which solved examples are shown, and how."""

import pytest

from lm_envs.tasks.data.solved_examples import drawn_examples, solved_examples
from lm_envs.tasks.question_answering import QuestionAnswering
from lm_envs.tasks.translation import Translation
from tests.tasks.helpers import embedded_tokenizer, write_rows

TOKENIZER = embedded_tokenizer()

PAIRS = {"Close the file": "Ferme le fichier", "Close a file": "Ferme un fichier", "Size": "Taille"}


@pytest.fixture
def pairs(tmp_path):
    rows = [{"source": key, "target": text, "split": "train"} for key, text in PAIRS.items()]
    held_out = {"source": "Close this file", "target": "Ferme ce fichier", "split": "test"}
    return write_rows(tmp_path, [*rows, held_out])


def shown(task, index=0):
    return TOKENIZER.decode(task.example(index).prompt)


def test_the_most_similar_example_is_the_last_one():
    (text,) = solved_examples(["Closed file"], PAIRS, 2)
    assert text == "Close the file Ferme le fichier\n\nClose a file Ferme un fichier\n\n"


def test_the_prompt_itself_is_never_shown():
    for prompt, text in zip(PAIRS, solved_examples(list(PAIRS), PAIRS, len(PAIRS)), strict=True):
        assert PAIRS[prompt] not in text
        assert text.count("\n\n") == len(PAIRS) - 1


def test_a_blank_line_in_an_example_does_not_end_it():
    (text,) = solved_examples(["A"], {"B\n \nC": "D"}, 1)
    assert text == "B\nC D\n\n"


def test_examples_of_the_split_train_stand_before_a_held_out_prompt(pairs):
    task = Translation(TOKENIZER, dataset=pairs, split="test", shots=1)
    assert shown(task) == (
        "English: Close the file\nFrench: Ferme le fichier\n\nEnglish: Close this file\nFrench:"
    )
    assert task.item(task.example(0)).prompt == "English: Close this file\nFrench:"


def test_shots_change_neither_targets_nor_options_nor_scores(pairs):
    few, none = (Translation(TOKENIZER, dataset=pairs, shots=shots) for shots in (2, 0))
    assert few.num_examples == none.num_examples == len(PAIRS)
    for index in range(few.num_examples):
        assert few.example(index).targets == none.example(index).targets
        assert few.options(few.example(index), []) == none.options(none.example(index), [])


def test_a_simultaneous_translation_hides_only_the_end_of_its_own_source(pairs):
    task = Translation(TOKENIZER, dataset=pairs, split="test", shots=1, mode="simultaneous")
    text = TOKENIZER.decode(task.source_prefix(task.example(0), 1))
    assert text.endswith("Ferme le fichier\n\nEnglish: Close\nFrench:")


def test_prompts_count_with_their_solved_examples(pairs):
    assert QuestionAnswering(TOKENIZER, shots=0, prompt_tokens=40).num_examples > 0
    with pytest.raises(ValueError, match="prompt_tokens=40"):
        QuestionAnswering(TOKENIZER, shots=8, prompt_tokens=40)


def test_a_negative_number_of_shots_is_refused():
    with pytest.raises(ValueError, match="shots=-1"):
        Translation(TOKENIZER, shots=-1)


def test_examples_of_a_small_pool_are_drawn_by_the_prompt():
    pool = {f"Text: {word}\nParaphrase:": f"the {word}" for word in ("cat", "dog", "sea", "sun")}
    drawn = [drawn_examples(f"Text: {number}\nParaphrase:", pool, 2) for number in range(20)]
    assert all(text.count("\n\n") == 2 for text in drawn)
    assert len(set(drawn)) > 4  # other prompts, other examples, in another order
    assert drawn[0] == drawn_examples("Text: 0\nParaphrase:", dict(reversed(pool.items())), 2)
    assert drawn_examples("any", {"Text: a\nParaphrase:": "b"}, 3) == "Text: a\nParaphrase: b\n\n"
