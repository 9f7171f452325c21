import re

from agents.corpus.facts import COUNTRIES, FIELDS, HELD_OUT_COUNTRIES, facts


def test_no_country_is_both_trained_on_and_held_out():
    assert not set(COUNTRIES) & set(HELD_OUT_COUNTRIES)


def test_every_context_contains_its_answer_and_every_question_its_subject():
    found = list(facts())
    assert {row["relation"] for row in found} == set(FIELDS)
    assert all(row["answer"] in row["context"] for row in found)
    assert all(row["subject"] in row["question"] for row in found)
    assert all(2 < len(row["answer"]) <= 40 for row in found)


def test_answers_hold_no_remains_of_removed_remarks():
    """Regression: the national holiday of Afghanistan was "previous"."""
    answers = {(row["subject"], row["relation"]): row["answer"] for row in facts()}
    assert answers["Afghanistan", "national holiday"] == "Independence Day"
    assert not [a for a in answers.values() if re.search(r"  |\b[A-Z]{4,}|^previous| in$", a)]
