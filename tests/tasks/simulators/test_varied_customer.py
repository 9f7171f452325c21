from dataclasses import replace

import pytest

from lm_envs.tasks.simulators import customer_wordings as wordings
from lm_envs.tasks.simulators.customer import GOODBYE, QUESTIONS
from lm_envs.tasks.simulators.varied_customer import (
    CLARIFY,
    CONFIRM,
    CONFIRMED,
    LEAVES,
    NOT_NEEDED,
    WRONG_GRANT,
    VariedCustomer,
)

VALUES = {"order": "B7", "reason": "it is broken"}
NEVER, ALWAYS = 0.99, 0.0
"""Draws with which a reaction by chance never or always happens."""

CUSTOMER = VariedCustomer(
    request="return",
    item="lamp",
    values=VALUES,
    stated=VALUES,
    mood="easy",
    patience=8,
    given=(),
    is_vague=False,
    opening="Hello. I want to return a lamp.",
    split="train",
    draws=((NEVER,) * 6,),
)
SHORT, POLITE = QUESTIONS["order"]
MISTAKEN = replace(CUSTOMER, stated={**VALUES, "order": "C1"})


def always(**changes):
    return replace(CUSTOMER, draws=((ALWAYS,) * 6,), **changes)


@pytest.mark.parametrize(
    ("mood", "line", "is_answered"),
    [
        ("hurried", POLITE, False),
        ("hurried", SHORT, True),
        ("formal", POLITE, True),
        ("formal", SHORT, False),
        ("easy", POLITE, True),
        ("easy", SHORT, True),
    ],
)
def test_the_wrong_tone_for_a_mood_costs_a_turn(mood, line, is_answered):
    customer = always(mood=mood)
    assert ("order" in customer.converse([line]).known) is is_answered


def test_an_easy_customer_volunteers_a_slot_to_a_polite_agent_only():
    assert set(always().converse([POLITE]).known) == {"order", "reason"}
    assert set(always().converse([SHORT]).known) == {"order"}


def test_a_mistaken_value_is_corrected_by_a_confirmation():
    right, wrong = (CUSTOMER.converse([SHORT, CONFIRM[0]]), MISTAKEN.converse([SHORT, CONFIRM[0]]))
    assert right.replies[-1] == CONFIRMED
    assert (wrong.known["order"], wrong.replies[-1]) == ("B7", "No, wait, it is B7.")


def test_a_grant_with_a_mistaken_value_ends_the_conversation_without_success():
    turns = [SHORT, QUESTIONS["reason"][0]]
    granted = CUSTOMER.converse([*turns, CUSTOMER.grant])
    assert (granted.is_satisfied, granted.is_over, granted.replies[-1]) == (True, True, GOODBYE)
    wrong = MISTAKEN.converse([*turns, CUSTOMER.grant.replace("B7", "C1")])
    assert (wrong.is_satisfied, wrong.is_over) == (False, True)


def test_needless_questions_and_wrong_grants_cost_patience():
    expected = {
        QUESTIONS["day"][0]: NOT_NEEDED,
        "Order it is cancelled.": WRONG_GRANT,
        CLARIFY[0]: wordings.WISHES["return"].train[-1].format(item="lamp"),
    }
    for line, reply in expected.items():
        state = CUSTOMER.converse([line])
        assert (state.replies[-1], state.patience) == (reply, 6)
    assert CUSTOMER.converse([SHORT, SHORT]).replies[-1] == "I gave it: B7."


def test_a_customer_without_patience_leaves():
    state = replace(CUSTOMER, patience=2).converse([SHORT, CONFIRM[0]])
    assert (state.is_over, state.is_satisfied, state.replies[-1]) == (True, False, LEAVES)


def test_moods_change_with_the_treatment():
    formal = replace(CUSTOMER, mood="formal")
    assert formal.converse([POLITE, QUESTIONS["reason"][1]]).mood == "easy"
    assert CUSTOMER.converse([QUESTIONS["day"][0]] * 2).mood == "hurried"


def test_a_vague_customer_names_the_request_when_it_is_clarified():
    vague = replace(CUSTOMER, is_vague=True)
    assert not vague.converse([]).is_named
    assert vague.converse([CLARIFY[1]]).is_named
    assert vague.converse([CLARIFY[1]]).patience == 7


def test_enabled_lines_do_not_tell_the_request():
    """Questions about slots of other requests stay enabled."""
    enabled = {line for line, is_enabled in CUSTOMER.options([]) if is_enabled}
    assert enabled == {*(q for forms in QUESTIONS.values() for q in forms), *CLARIFY}


def test_the_oracle_is_short_with_a_hurried_and_polite_with_a_formal_customer():
    hurried, formal = (replace(CUSTOMER, mood=mood) for mood in ("hurried", "formal"))
    assert hurried.oracle_line([]) == SHORT
    assert formal.oracle_line([]) == POLITE
    known = [SHORT, QUESTIONS["reason"][0]]
    assert MISTAKEN.oracle_line(known) == CONFIRM[0]
