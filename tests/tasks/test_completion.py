"""The base class of one-line tasks, and what every task derived from it does."""

import inspect
import warnings

import numpy as np
import pytest

from lm_envs.tasks.classification import Classification
from lm_envs.tasks.completion import CompletionItem, CompletionTask
from lm_envs.tasks.paraphrase import Paraphrase
from lm_envs.tasks.question_answering import QuestionAnswering
from lm_envs.tasks.splits import SPLITS
from lm_envs.tasks.translation import Translation
from tests.tasks.helpers import embedded_tokenizer, option_texts, prompts, write_rows

TASKS = [Paraphrase, QuestionAnswering, Translation, Classification]
TOKENIZER = embedded_tokenizer()


REWARDS = {"chrf": 1.0}


class Rhyme(CompletionTask):
    """The example of the documentation: a task of an outsider."""

    column_names = ("word", "rhyme")
    default_rewards = REWARDS

    def make_item(self, row):
        return CompletionItem(f"A rhyme for {row.text('word')}:", row.texts["rhyme"])


def task_with(items):
    """A task with these items, and the options of each."""

    class Fixed(CompletionTask):
        def load_items(self, dataset, split, columns):
            return items

    task = Fixed(TOKENIZER, prompt_tokens=8, max_new_tokens=4)
    return task, [option_texts(task, index) for index in range(task.num_examples)]


@pytest.fixture
def rhymes(tmp_path):
    rows = [{"word": "cat", "rhyme": ["hat", "bat"], "level": 2}, {"word": "sun", "rhyme": "fun"}]
    return write_rows(tmp_path, [row | {"split": "train"} for row in rows])


def test_a_subclass_needs_only_column_names_and_make_item(rhymes):
    task = Rhyme(TOKENIZER, dataset=rhymes)
    assert TOKENIZER.decode(task.example(0).prompt) == "A rhyme for cat:"
    assert task.example(0).targets == ("hat", "bat")
    assert sorted(option_texts(task, 1))[0] == "fun"
    assert task.reward.weights == REWARDS


def test_a_subclass_without_constructor_shows_its_arguments():
    parameters = inspect.signature(Rhyme).parameters.values()
    names = [each.name for each in parameters if each.kind is each.KEYWORD_ONLY]
    lengths = ["prompt_tokens", "max_new_tokens", "shots"]
    assert names == ["dataset", "split", "columns", *lengths, "rewards"]


def test_a_task_without_embedded_examples_needs_a_dataset():
    with pytest.raises(ValueError, match="Rhyme has no embedded examples; allowed: a"):
        Rhyme(TOKENIZER)


def test_other_columns_of_a_row_reach_the_example(rhymes):
    task = Rhyme(TOKENIZER, dataset=rhymes)
    assert [dict(task.example(index).columns) for index in range(2)] == [{"level": 2}, {}]
    assert task.item(task.example(0)).columns == {"level": 2}
    assert task.example_of("Hello").columns == {}


@pytest.mark.parametrize("kind", TASKS)
def test_every_split_has_examples_and_shares_no_prompt(kind):
    found = [set(prompts(kind(TOKENIZER, split=split))) for split in SPLITS]
    assert all(found)
    assert sum(map(len, found)) == len(set.union(*found))


@pytest.mark.parametrize("kind", TASKS)
def test_exactly_one_option_is_correct(kind):
    task = kind(TOKENIZER, split="test")
    for index in range(task.num_examples):
        options = option_texts(task, index)
        assert len(options) == len(set(options)) == task.num_options
        assert len(set(options) & set(task.example(index).targets)) == 1


def test_the_position_of_the_correct_option_is_uniform():
    task = QuestionAnswering(TOKENIZER)
    positions = [
        option_texts(task, index).index(task.example(index).targets[0])
        for index in range(task.num_examples)
    ]
    shares = np.bincount(positions, minlength=4) / len(positions)
    assert (np.abs(shares - 0.25) < 0.06).all()


def test_wrong_options_are_of_the_same_group_if_it_is_large_enough():
    groups = ["one"] * 5 + ["two"] * 2
    items = [
        CompletionItem("?", (text,), group) for text, group in zip("abcdexy", groups, strict=True)
    ]
    _, options = task_with(items)
    assert all(set(row) <= set("abcde") for row in options[:5])
    assert all(len(row) == 4 for row in options)


def test_items_with_several_targets_have_as_many_options_as_others():
    targets = [("a",), ("b", "c", "d"), ("c", "a"), ("d",)]
    task, options = task_with([CompletionItem("?", each) for each in targets])
    assert [len(set(row)) for row in options] == [task.num_options] * 4
    for each, row in zip(targets, options, strict=True):
        assert len(set(row) & set(each)) == 1


@pytest.mark.parametrize("task", [Paraphrase, Translation, QuestionAnswering])
def test_rows_with_the_same_prompt_are_one_example_with_all_targets(tmp_path, task):
    """Regression: the target of one row was a wrong option of the other, and paid nothing."""
    source, target = task.column_names[:2]
    pairs = [("Hello", "Salut"), ("Hello", "Bonjour"), ("Yes", "Oui"), ("No", "Non")]
    pairs += [("Hello", "Salut"), ("Good", "Bon"), ("Bad", "Mauvais")]
    rows = [{source: a, target: b, "split": "train", "n": n} for n, (a, b) in enumerate(pairs)]
    made = task(TOKENIZER, dataset=write_rows(tmp_path, rows))
    assert made.num_examples == 5
    assert made.example(0).targets == ("Salut", "Bonjour")
    assert made.example(0).columns == {"n": 0}
    assert "Bonjour" not in option_texts(made, 0)
    assert len(option_texts(made, 0)) == 4


def test_verified_items_with_the_same_prompt_stay_apart(tmp_path):
    class Verified(Rhyme):
        def load_items(self, dataset, split, columns):
            return [CompletionItem("?", (text,), verify=lambda _: 1.0) for text in "ab"]

    assert Verified(TOKENIZER, dataset="own").num_examples == 2


def test_options_never_contain_a_target_that_is_too_long():
    long = "one two three four five six seven"
    with pytest.warns(UserWarning, match="Left out 1 of 3 examples of embedded"):
        task, options = task_with([CompletionItem("?", (text,)) for text in ("a", "b", long)])
    assert task.num_examples == 2
    assert all(set(row) == {"a", "b"} for row in options)


def test_a_verified_answer_keeps_its_line_ends():
    items = [CompletionItem("?", ("a\nb",), verify=lambda text: 1.0), CompletionItem("?", ("c",))]
    task, _ = task_with(items)
    assert task.example(0).targets == ("a\nb",)


def test_line_ends_in_targets_become_spaces(tmp_path):
    """Regression: they were kept, and the first line end ended the completion."""
    rows = [{"text": "a", "target": ["red \r\n blue\n", "x y"], "split": "train"}]
    task = Paraphrase(TOKENIZER, dataset=write_rows(tmp_path, rows))
    example = task.example(0)
    assert example.targets == ("red blue", "x y")
    assert TOKENIZER.decode(example.reference) == " red blue"
    assert not task.is_turn_over(task.oracle_completion(example, []))


@pytest.mark.parametrize(
    ("long", "remedy"),
    [
        ({"text": "word " * 60}, r"prompt_tokens=40 \(the longest needs 67\); raise it"),
        ({"target": "word " * 60}, r"max_new_tokens=36 \(the longest needs 62\); raise it"),
        (dict.fromkeys(("text", "target"), "word " * 60), r"prompt_tokens=40 .* and max_.*them"),
    ],
)
def test_examples_that_are_too_long_are_left_out_with_a_warning(tmp_path, long, remedy):
    """Regression: 99 of 100 were left out silently."""
    row = {"text": "a", "target": "b", "split": "train"}
    rows = [row, *({n: f"{t} {k}" for n, t in long.items()} for k in range(3))]
    rows = [row | {"text": f"{k}"} | each for k, each in enumerate(rows)]
    path = write_rows(tmp_path, rows)
    with pytest.warns(UserWarning, match=rf"Left out 3 of 4 examples of .*rows\.jsonl.*{remedy}"):
        assert Paraphrase(TOKENIZER, dataset=path).num_examples == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        limits = {"prompt_tokens": 200, "max_new_tokens": 200}
        assert Paraphrase(TOKENIZER, dataset=path, **limits).num_examples == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prompt_tokens": 2}, "at most prompt_tokens=2 tokens"),
        ({"max_new_tokens": 0}, "max_new_tokens=0; allowed: a whole number, 1 or more"),
        ({"columns": {"query": "q"}}, "name in columns='query'; allowed: 'text', 'target'"),
        ({"split": "dev"}, "split='dev'; allowed: 'train'"),
    ],
)
def test_shared_arguments_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Paraphrase(TOKENIZER, **options)
