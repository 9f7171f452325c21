"""The customer, and serving them."""

import pytest

from lm_envs.model.loading import EMBEDDED, locate
from lm_envs.tasks.dialogue import Dialogue
from lm_envs.tasks.dialogue_customer import CONTENT, PUZZLED, QUESTIONS, WISHES, Customer, customers
from lm_envs.tokenizer import Tokenizer

RETURN = Customer("return", "I want to return a lamp.", {"order": "B7", "reason": "it is broken"})
GRANT = "The return of order B7 is booked, since it is broken."


@pytest.fixture(scope="module")
def task():
    return Dialogue(Tokenizer.from_folder(locate(EMBEDDED)), split="validation")


def ideal(customer, form):
    questions = [QUESTIONS[slot][form] for slot in WISHES[customer.wish].slots]
    return [*questions, WISHES[customer.wish].grant.format(**customer.values)]


def test_a_customer_tells_what_they_are_asked():
    assert RETURN.answer("What is your order number?", set()) == ("It is B7.", {"order"})
    assert RETURN.answer("On which day?", set()) == (PUZZLED, set())


@pytest.mark.parametrize(
    ("reply", "told", "is_content"),
    [
        (GRANT, {"order", "reason"}, True),
        (f"Thank you. {GRANT}", {"order", "reason"}, True),
        (GRANT, {"order"}, False),
        (GRANT.replace("B7", "B8"), {"order", "reason"}, False),
        ("Order B7 is cancelled.", {"order", "reason"}, False),
    ],
)
def test_a_customer_is_content_when_all_was_asked_and_is_right(reply, told, is_content):
    assert RETURN.is_content(reply, told) is is_content
    assert (RETURN.answer(reply, told)[0] == CONTENT) is is_content


@pytest.mark.parametrize("form", [0, 1])
def test_every_customer_can_be_served_by_the_lines_on_offer(task, form):
    for index in range(task.num_examples):
        example, turns = task.example(index), []
        for line in ideal(task._customers[index], form):
            assert line in [option.text for option in task.options(example, turns)]
            turns.append(line)
            response = task.respond(example, turns)
        assert response.is_over
        assert response.task_scores["completed"] == 1.0
        polite = len(turns) - 1 if form else 0
        assert response.task_scores["politeness"] == pytest.approx(polite / len(turns))


def test_the_solution_serves_every_customer_politely(task):
    for index in range(task.num_examples):
        example, turns, is_over = task.example(index), [], False
        while not is_over:
            turns.append(task.oracle_completion(example, turns))
            response = task.respond(example, turns)
            is_over = response.is_over
        assert response.task_scores["completed"] == response.task_scores["politeness"] == 1.0


def test_granting_without_asking_does_not_help(task):
    example = task.example(0)
    for option in task.options(example, []):
        assert task.respond(example, [option.text]).task_scores["completed"] == 0.0


def test_the_context_is_the_conversation():
    task = Dialogue(Tokenizer.from_folder(locate(EMBEDDED)), wishes=["cancel"])
    customer = task._customers[0]
    context = task.respond(task.example(0), ["Hello.", "What is your order number?"]).context
    order = customer.values["order"]
    assert context == (
        f"Customer: {customer.opening}\nAgent: Hello.\nCustomer: {PUZZLED}\n"
        f"Agent: What is your order number?\nCustomer: It is {order}.\nAgent:"
    )


def test_an_unknown_wish_is_refused():
    with pytest.raises(ValueError, match="wish='refund'; allowed: 'return'"):
        Dialogue(Tokenizer.from_folder(locate(EMBEDDED)), wishes=["refund"])


def test_nobody_to_serve_is_refused():
    with pytest.raises(ValueError, match=r"no customer of wishes=\[\].*some of return"):
        Dialogue(Tokenizer.from_folder(locate(EMBEDDED)), wishes=[])


def test_each_wish_needs_all_its_slots():
    assert {customer.wish for customer in customers()} == set(WISHES)
    for customer in customers():
        assert set(customer.values) == set(WISHES[customer.wish].slots)
