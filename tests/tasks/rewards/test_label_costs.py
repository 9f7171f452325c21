import pytest

from lm_envs.tasks.rewards.label_costs import LabelCosts, parsed_cost


def test_a_mistake_costs_its_entry_or_one_and_a_correct_label_nothing():
    costs = LabelCosts({"bad": {"good": 5.0}}, ["bad", "good"])
    assert costs.least(["bad"], " Good ") == 5.0
    assert costs.least(["good"], "bad") == 1.0
    assert costs.least(["good"], "GOOD") == 0.0
    assert costs.least(["bad"], "something else") == 1.0


def test_the_smallest_cost_over_several_correct_labels_counts():
    costs = LabelCosts({"bad": {"mixed": 5.0}, "good": {"mixed": 0.5}}, ["bad", "good", "mixed"])
    assert costs.least(["bad", "good"], "mixed") == 0.5


def test_an_unknown_label_in_the_table_is_refused():
    with pytest.raises(ValueError, match=r"label in costs='worse'; allowed"):
        LabelCosts({"bad": {"worse": 1.0}}, ["bad"])


def test_a_number_in_a_file_is_a_cost_and_other_texts_are_refused():
    assert parsed_cost("2.5", "rows.jsonl, line 1") == 2.5
    for text in ("much", "nan"):
        with pytest.raises(ValueError, match=rf"Got cost '{text}' at rows.jsonl, line 2; allowed"):
            parsed_cost(text, "rows.jsonl, line 2")


def test_the_matrix_has_a_row_for_each_correct_label_and_a_column_for_each_written_one():
    costs = LabelCosts({"bad": {"Good": 5.0}}, ["bad", "Good", "mixed"])
    expected = [[0.0, 5.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 0.0]]
    assert costs.matrix(["bad", "Good", "mixed"]).tolist() == expected
