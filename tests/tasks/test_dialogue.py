"""Serving scripted customers."""

import gymnasium as gym
import numpy as np
import pytest

from lm_envs.tasks.dialogue import Dialogue
from lm_envs.tasks.simulators.customer import NOT_UNDERSTOOD, QUESTIONS, REQUESTS
from tests.tasks.helpers import embedded_tokenizer, option_texts


@pytest.fixture(scope="module")
def task():
    return Dialogue(embedded_tokenizer(), split="validation")


def shortest_turns(customer, form):
    return [*(QUESTIONS[slot][form] for slot in REQUESTS[customer.request].slots), customer.grant]


@pytest.mark.parametrize("form", [0, 1])
def test_the_options_can_serve_every_customer(task, form):
    for index in range(task.num_examples):
        example, turns = task.example(index), []
        for line in shortest_turns(task.customers[index], form):
            assert line in option_texts(task, index, turns)
            turns.append(line)
            response = task.respond(example, turns)
        assert response.is_over
        assert response.task_scores["completed"] == 1.0
        polite = len(turns) - 1 if form else 0
        assert response.task_scores["politeness"] == pytest.approx(polite / len(turns))


def test_the_oracle_serves_every_customer_politely(task):
    for index in range(task.num_examples):
        example, turns, is_over = task.example(index), [], False
        while not is_over:
            turns.append(task.oracle_completion(example, turns))
            response = task.respond(example, turns)
            is_over = response.is_over
        assert response.task_scores["completed"] == response.task_scores["politeness"] == 1.0


def test_a_grant_before_any_question_is_not_accepted(task):
    example = task.example(0)
    for option in task.options(example, []):
        assert task.respond(example, [option.text]).task_scores["completed"] == 0.0


def test_the_context_is_the_conversation_so_far():
    task = Dialogue(embedded_tokenizer(), wishes=["cancel"])
    customer = task.customers[0]
    context = task.respond(task.example(0), ["Hello.", "What is your order number?"]).context
    order = customer.values["order"]
    assert context == (
        f"Customer: {customer.opening}\nAgent: Hello.\nCustomer: {NOT_UNDERSTOOD}\n"
        f"Agent: What is your order number?\nCustomer: It is {order}.\nAgent:"
    )


def test_an_unknown_wish_is_refused():
    with pytest.raises(ValueError, match="wish='refund'; allowed: 'return'"):
        Dialogue(embedded_tokenizer(), wishes=["refund"])


def test_an_empty_list_of_wishes_is_refused():
    with pytest.raises(ValueError, match=r"no customer of wishes=\[\].*some of return"):
        Dialogue(embedded_tokenizer(), wishes=[])


def test_a_callers_own_prompt_is_refused(task):
    with pytest.raises(ValueError, match="for a dialogue; select a customer by 'index'"):
        task.example_of("Customer: Hello.")


def test_varied_customers_are_served_by_the_oracle_within_their_turns():
    task = Dialogue(embedded_tokenizer(), customers="varied", split="test[:10%]")
    assert (task.num_options, task.max_turns) == (22, 8)
    for index in range(task.num_examples):
        example, turns, is_over = task.example(index), [], False
        while not is_over:
            turns.append(task.oracle_completion(example, turns))
            assert turns[-1] in option_texts(task, index, turns[:-1])
            response = task.respond(example, turns)
            is_over = response.is_over
        assert response.task_scores["completed"] == 1.0


def test_polite_service_without_regard_to_the_customer_fails_some_varied_customers():
    task = Dialogue(embedded_tokenizer(), customers="varied", split="test[:10%]")
    completed = []
    for index, customer in enumerate(task.customers):
        turns = [line.format(**customer.stated) for line in shortest_turns(customer, 1)]
        completed.append(task.respond(task.example(index), turns).task_scores["completed"])
    assert 0.1 < np.mean(completed) < 0.7


def test_unknown_customers_are_refused():
    with pytest.raises(ValueError, match="customers='kind'; allowed: 'simple', 'varied'"):
        Dialogue(embedded_tokenizer(), customers="kind")


@pytest.mark.parametrize("actions", ["choices", "top_k"])
def test_the_customers_lines_are_in_infos_and_transcripts_and_survive_a_restore(actions):
    """Regression: only the agent's side of a conversation was shown."""
    arguments = {"num_envs": 2, "autoreset_mode": "disabled", "actions": actions}
    env, other = (gym.make_vec("lm_envs/Dialogue-v0", **arguments).unwrapped for _ in range(2))
    env.reset(seed=3)
    said, over = [], np.zeros(2, bool)
    while len(said) < 2 and not over.any():
        _, _, terminated, truncated, infos = env.step(env.oracle_actions())
        over = terminated | truncated
        said += [infos["reply"][0]] if infos["reply"][0] else []
    assert said[0].startswith("Customer: ")
    replies = env.transcripts[0].replies
    assert [reply.text for reply in replies] == said
    other.reset(seed=0)
    other.set_state(env.get_state())
    assert other.transcripts[0].replies == replies


def test_a_population_of_varied_customers_is_named_by_its_seed_and_size():
    population = {"kind": "varied", "seed": 3, "size": 40}
    found = Dialogue(embedded_tokenizer(), split="test", customers=population)
    assert found.num_examples == 40
    again = Dialogue(embedded_tokenizer(), split="test", customers=population)
    assert found.customers == again.customers
    other = Dialogue(embedded_tokenizer(), split="test", customers={**population, "seed": 4})
    assert found.customers[0] != other.customers[0]


def test_unknown_kinds_and_options_of_customers_are_refused():
    for customers, message in (
        ({"kind": "varied", "sed": 1}, "unknown option 'sed' of customers 'varied'; allowed: seed"),
        ({"kind": "simple", "seed": 1}, "unknown option 'seed' of customers 'simple'; allowed: no"),
        ({"kind": "rude"}, "Got customers='rude'; allowed: 'simple', 'varied'"),
    ):
        with pytest.raises(ValueError, match=message):
            Dialogue(embedded_tokenizer(), customers=customers)
