"""Conversations between the scripted customers and an agent that serves them correctly.

Owns the sampling of polite lines. The customers are those of the dialogue task.
"""

from collections.abc import Iterator

import numpy as np

from lm_envs.tasks.dialogue_customer import (
    CONTENT,
    COURTESY,
    QUESTIONS,
    WISHES,
    Customer,
    customers,
    split_of,
)

POLITE_SHARE = 0.4
DIALOGUES_PER_CUSTOMER = 3


def dialogues() -> Iterator[tuple[str, str]]:
    """Yields pairs (split, conversation); each line of the agent is polite by chance."""
    rng = np.random.default_rng(0)
    for customer in customers():
        for _ in range(DIALOGUES_PER_CUSTOMER):
            yield split_of(customer), _conversation(customer, rng)


def _conversation(customer: Customer, rng: np.random.Generator) -> str:
    lines, told = [f"Customer: {customer.opening}"], set()
    for slot in WISHES[customer.wish].slots:
        question = QUESTIONS[slot][int(rng.random() < POLITE_SHARE)]
        answer, told = customer.answer(question, told)
        lines += [f"Agent: {question}", f"Customer: {answer}"]
    courtesy = COURTESY if rng.random() < POLITE_SHARE else ""
    grant = courtesy + WISHES[customer.wish].grant.format(**customer.values)
    assert customer.is_content(grant, told), (customer, lines)
    return "\n".join([*lines, f"Agent: {grant}", f"Customer: {CONTENT}"])
