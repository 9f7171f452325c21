"""Conversations between the scripted customers and an agent that serves them correctly.

Owns the sampling of polite lines. The customers are those of the dialogue task.
"""

from collections.abc import Iterator

import numpy as np

from lm_envs.tasks.simulators.customer import (
    COURTESY,
    GOODBYE,
    QUESTIONS,
    REQUESTS,
    Customer,
    all_customers,
)

POLITE_SHARE = 0.4
DIALOGUES_PER_CUSTOMER = 3


def dialogues() -> Iterator[tuple[str, str]]:
    """Yields pairs (split, conversation); each line of the agent is polite by chance."""
    rng = np.random.default_rng(0)
    for customer in all_customers():
        for _ in range(DIALOGUES_PER_CUSTOMER):
            yield customer.split, _conversation(customer, rng)


def _conversation(customer: Customer, rng: np.random.Generator) -> str:
    lines, revealed = [f"Customer: {customer.opening}"], set()
    for slot in REQUESTS[customer.request].slots:
        question = QUESTIONS[slot][int(rng.random() < POLITE_SHARE)]
        answer, revealed = customer.answer(question, revealed)
        lines += [f"Agent: {question}", f"Customer: {answer}"]
    courtesy = COURTESY if rng.random() < POLITE_SHARE else ""
    grant = courtesy + customer.grant
    assert customer.is_satisfied(grant, revealed), (customer, lines)
    return "\n".join([*lines, f"Agent: {grant}", f"Customer: {GOODBYE}"])
