import pytest

from lm_envs.tasks.simulators.customer import (
    COURTESY,
    GOODBYE,
    NOT_UNDERSTOOD,
    QUESTIONS,
    REQUESTS,
    Customer,
    agent_lines,
    all_customers,
    is_polite,
)

RETURN = Customer("return", "I want to return a lamp.", {"order": "B7", "reason": "it is broken"})
GRANT = "The return of order B7 is booked, since it is broken."


def test_a_customer_reveals_the_slot_of_a_question():
    assert RETURN.answer("What is your order number?", set()) == ("It is B7.", {"order"})
    assert RETURN.answer("On which day?", set()) == (NOT_UNDERSTOOD, set())


@pytest.mark.parametrize(
    ("reply", "revealed", "is_satisfied"),
    [
        (GRANT, {"order", "reason"}, True),
        (f"Thank you. {GRANT}", {"order", "reason"}, True),
        (GRANT, {"order"}, False),
        (GRANT.replace("B7", "B8"), {"order", "reason"}, False),
        ("Order B7 is cancelled.", {"order", "reason"}, False),
    ],
)
def test_a_customer_is_satisfied_by_a_correct_grant_after_all_slots(reply, revealed, is_satisfied):
    assert RETURN.is_satisfied(reply, revealed) is is_satisfied
    assert (RETURN.answer(reply, revealed)[0] == GOODBYE) is is_satisfied


def test_every_request_occurs_with_exactly_its_slots():
    assert {customer.request for customer in all_customers()} == set(REQUESTS)
    for customer in all_customers():
        assert set(customer.values) == set(REQUESTS[customer.request].slots)


def test_customers_are_the_same_on_every_call():
    assert all_customers() == all_customers()


def test_customers_with_the_same_description_are_in_the_same_split():
    splits = {}
    for customer in all_customers():
        assert splits.setdefault(customer.description, customer.split) == customer.split
    assert set(splits.values()) == {"train", "validation", "test"}


def test_agent_lines_contain_both_forms_and_the_revealed_values():
    lines = agent_lines({"order": "B7"})
    assert set(QUESTIONS["city"]) < set(lines)
    assert {"Order B7 is on its way.", COURTESY + "Order B7 is on its way."} < set(lines)
    assert "Order B7 goes to it." in lines
    assert len(lines) == len(set(lines)) == len(agent_lines({}))


def test_polite_forms_are_polite_and_short_forms_are_not():
    assert [is_polite(text) for text in QUESTIONS["day"]] == [False, True]
    assert is_polite(COURTESY + GRANT)
    assert not is_polite(GRANT)
