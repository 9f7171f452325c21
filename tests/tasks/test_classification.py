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


ROWS = [
    {"text": "the goal was late", "label": "sport", "weight": 3},
    {"text": "the vote", "label": "politics", "weight": 0.5},
]


def sequential(folder, **options):
    return from_rows(folder, ROWS, mode="sequential", **options)


def shown(task, index, turns=()):
    """What the model reads after some turns."""
    example = task.example(index)
    if not turns:
        return TOKENIZER.decode(example.prompt)
    return task.respond(example, list(turns)).context


def test_each_reading_shows_the_next_words_in_the_prompt(tmp_path):
    task = sequential(tmp_path, first_words=1, read_words=2)
    assert shown(task, 0) == "Text: the\nTopic:"
    assert shown(task, 0, ["read"]) == "Text: the goal was\nTopic:"
    assert shown(task, 0, ["read", "read"]) == "Text: the goal was late\nTopic:"
    assert task.respond(task.example(0), ["read", "read"]).reply == "late"
    assert task.shown_texts(task.example(0)) == ("the", "the goal was", "the goal was late")
    assert task.read_shares(task.example(0)).tolist() == [0.25, 0.75, 1.0]


def test_reading_is_offered_until_the_text_is_complete(tmp_path):
    task = sequential(tmp_path)
    options = [task.options(task.example(1), turns) for turns in ([], ["read"])]
    assert [option.text for option in options[0]] == ["politics", "sport", "read"]
    assert [line[-1].is_enabled for line in options] == [True, False]
    assert all(option.is_enabled for line in options for option in line[:-1])


def test_a_label_ends_the_episode_and_pays_for_the_words_read(tmp_path):
    task = sequential(tmp_path)
    reading = task.respond(task.example(0), ["read"])
    assert not reading.is_over
    assert reading.task_scores == {"accuracy": 0.0, "read": 0.5, "cost": 0.0}
    right = task.respond(task.example(0), ["read", " Sport"])
    assert right.is_over
    assert right.task_scores == {"accuracy": 1.0, "read": 0.5, "cost": 0.0}
    wrong = task.respond(task.example(0), ["politics"])
    assert wrong.task_scores == {"accuracy": 0.0, "read": 0.25, "cost": 1.0}
    assert task.reward.weights == {"accuracy": 1.0, "read": -0.3}


def test_reading_a_complete_text_is_a_wrong_label(tmp_path):
    task = sequential(tmp_path)
    response = task.respond(task.example(1), ["read", "read"])
    assert response.is_over
    assert response.task_scores == {"accuracy": 0.0, "read": 1.0, "cost": 1.0}


def test_turns_and_budget_suffice_for_the_longest_text_of_any_split(tmp_path):
    rows = [ROWS[1] | {"split": "train"}, ROWS[0] | {"split": "test"}]
    task = Classification(TOKENIZER, dataset=write_rows(tmp_path, rows), mode="sequential")
    assert task.num_examples == 1
    assert task.max_turns == 4
    assert task.max_new_tokens == 4 + 3 * len(TOKENIZER.encode_completion("read"))


def test_the_mode_whole_has_the_scores_and_the_budget_that_it_had():
    task = Classification(TOKENIZER)
    assert (task.max_turns, task.max_new_tokens, task.context_tokens) == (1, 4, 228)
    assert task.task_scores == ("cost",)
    assert task.reward.weights == {"accuracy": 1.0}
    assert "read" not in option_texts(task, 0)


@pytest.mark.parametrize("mode", ["whole", "sequential"])
def test_a_column_of_costs_multiplies_the_cost_of_a_mistake(tmp_path, mode):
    columns, costs = {"cost": "weight"}, {"politics": {"sport": 4.0}}
    task = from_rows(tmp_path, ROWS, mode=mode, columns=columns, costs=costs)
    assert cost(task, 0, "politics") == 3.0
    assert cost(task, 1, "sport") == 2.0
    assert cost(task, 1, "politics") == 0.0


def test_a_column_named_cost_counts_only_if_it_is_asked_for(tmp_path):
    task = from_rows(tmp_path, [row | {"cost": 9} for row in ROWS])
    assert cost(task, 0, "politics") == 1.0


def test_solved_examples_stay_before_the_words_read(tmp_path):
    task = sequential(tmp_path, shots=1)
    whole = "Text: the vote\nTopic: politics\n"
    assert shown(task, 0).startswith(whole)
    assert shown(task, 0, ["read"]).endswith("Text: the goal\nTopic:")
    assert shown(task, 0, ["read"]).startswith(whole)


def test_other_splits_can_be_learned_from():
    task = Classification(TOKENIZER, split="validation", mode="sequential", read_words=2)
    label, beginnings = task.labeled_texts("train")[0]
    assert label == "geography"
    assert beginnings[:2] == ("Caribbean,", "Caribbean, island in")
    assert label in task.labels


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "half"}, "mode='half'; allowed: 'whole', 'sequential'"),
        ({"mode": "sequential", "first_words": 0}, "first_words=0"),
        ({"mode": "sequential", "read_words": 0}, "read_words=0"),
    ],
)
def test_arguments_of_reading_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Classification(TOKENIZER, **options)


def test_a_callers_prompt_and_a_label_that_begins_with_read_are_refused_while_reading(tmp_path):
    with pytest.raises(ValueError, match="mode 'sequential'; select an example by 'index'"):
        sequential(tmp_path).example_of("Text: a\nTopic:")
    rows = [*ROWS, {"text": "a book", "label": "Reading", "weight": 1}]
    with pytest.raises(ValueError, match=r"Got label 'Reading' in .* with mode='sequential'"):
        from_rows(tmp_path, rows, mode="sequential")
    assert from_rows(tmp_path, rows).num_examples == 3
