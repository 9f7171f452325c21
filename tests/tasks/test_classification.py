import pytest

from lm_envs.tasks.classification import Classification
from lm_envs.tasks.splits import SPLITS
from tests.tasks.helpers import embedded_tokenizer, option_texts, write_rows

TOKENIZER = embedded_tokenizer()


def from_rows(folder, rows, **options):
    path = write_rows(folder, [row | {"split": "train"} for row in rows])
    return Classification(TOKENIZER, dataset=path, **options)


def cost(task, index, written):
    return task.respond(task.example(index), [written]).task_scores["cost"]


@pytest.mark.parametrize("kind", ["topic", "language", "sentiment"])
def test_a_label_is_the_same_action_in_every_split(kind):
    tasks = [Classification(TOKENIZER, split=split, kind=kind) for split in (*SPLITS, "test[:2%]")]
    options = [option_texts(task, 0) for task in tasks]
    assert all(each == options[0] for each in options)


def test_a_label_with_line_ends_can_be_chosen_and_have_a_cost(tmp_path):
    rows = [{"text": "Fine.", "label": "very\ngood"}, {"text": "Awful.", "label": "bad"}]
    task = from_rows(tmp_path, rows, costs={"bad": {"very good": 0.5}})
    assert option_texts(task, 0) == ["bad", "very good"]
    assert cost(task, 0, "very good") == 0.0
    assert cost(task, 1, "very good") == 0.5


@pytest.mark.parametrize(
    ("correct", "written", "expected"),
    [("negative", " Negative", 0.0), ("negative", "positive", 5.0), ("positive", "negative", 1.0)],
)
def test_a_mistake_costs_its_entry_or_one(correct, written, expected):
    task = Classification(
        TOKENIZER, kind="sentiment", costs={"negative": {"positive": 5.0}}, rewards={"cost": -1.0}
    )
    targets = [task.example(index).targets for index in range(task.num_examples)]
    assert cost(task, targets.index((correct,)), written) == expected


def test_a_text_with_several_correct_labels_costs_the_smallest_entry(tmp_path):
    rows = [{"text": "So so.", "label": ["good", "bad"]}, {"text": "Fine.", "label": "good"}]
    task = from_rows(tmp_path, rows)
    assert cost(task, 0, "bad") == 0.0
    assert cost(task, 1, "bad") == 1.0


def test_a_label_that_is_never_first_can_be_chosen_and_have_a_cost(tmp_path):
    rows = [{"text": "So so.", "label": ["good", "mixed"]}, {"text": "Awful.", "label": "bad"}]
    task = from_rows(tmp_path, rows, costs={"bad": {"mixed": 0.5}})
    assert option_texts(task, 0) == ["bad", "good", "mixed"]
    assert cost(task, 1, "mixed") == 0.5


def test_a_callers_own_prompt_has_no_cost():
    task = Classification(TOKENIZER)
    example = task.example_of("Text: a\nTopic:")
    assert task.respond(example, ["geography"]).task_scores == {}


@pytest.mark.parametrize("value", [float("nan"), "5", None])
def test_a_cost_that_is_no_number_is_refused(value):
    with pytest.raises(ValueError, match=r"cost of 'positive' for 'negative'=.*a finite number"):
        Classification(TOKENIZER, kind="sentiment", costs={"negative": {"positive": value}})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "mood"}, "kind='mood'; allowed: 'topic'"),
        ({"costs": {"sport": {}}}, "label in costs='sport'"),
    ],
)
def test_arguments_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Classification(TOKENIZER, **options)


def test_labels_are_told_apart_or_refused(tmp_path):
    """Regression: "spam", "Spam" and "spam " were three right actions."""
    rows = [{"text": "a", "label": "spam "}, {"text": "b", "label": "spam"}]
    assert option_texts(from_rows(tmp_path, [*rows, {"text": "c", "label": "ham"}]), 0) == [
        "ham",
        "spam",
    ]
    with pytest.raises(ValueError, match=r"labels 'Spam' and 'spam' in .*one spelling"):
        from_rows(tmp_path, [*rows, {"text": "c", "label": "Spam"}])


def test_labels_may_be_numbers(tmp_path):
    task = from_rows(tmp_path, [{"text": "a", "label": 0}, {"text": "b", "label": 1}])
    assert task.example(0).targets == ("0",)


def test_a_column_named_kind_filters_only_by_an_argument(tmp_path):
    """Regression: a user's own column left no row, "split None"."""
    rows = [{"text": "a", "label": "x", "kind": "mail"}, {"text": "b", "label": "y", "kind": "sms"}]
    assert from_rows(tmp_path, rows).num_examples == 2
    assert from_rows(tmp_path, rows, kind="sms").num_examples == 1
