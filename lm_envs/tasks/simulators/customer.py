"""A scripted customer of a shop: the request, the answers, and when the customer is satisfied.

Owns the lines of both sides. Changing one changes what the embedded model was trained on. Knows
nothing of models, tokens or rewards.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lm_envs.tasks.splits import split_of

ITEMS = ("lamp", "chair", "coat", "book", "phone", "camera", "kettle", "table")
VALUES = {
    "order": tuple(f"{letter}{digit}" for letter in "ABCDEFGH" for digit in range(1, 9)),
    "reason": ("it is broken", "it is too small", "I do not like it", "it came too late"),
    "city": ("Lyon", "Berlin", "Oslo", "Rome", "Madrid", "Vienna", "Dublin", "Athens"),
    "day": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
}
"""Possible values of each slot."""


@dataclass(frozen=True, slots=True)
class Request:
    """One kind of request.

    Attributes:
        openings: Templates of the customer's first line.
        slots: Names of the slots that the agent has to ask for.
        grant: Template of the agent's line that grants the request.
    """

    openings: tuple[str, ...]
    slots: tuple[str, ...]
    grant: str


REQUESTS = {
    "return": Request(
        ("I want to return a {item}.", "Can I send this {item} back?"),
        ("order", "reason"),
        "The return of order {order} is booked, since {reason}.",
    ),
    "status": Request(
        ("Where is my {item}?", "My {item} has not arrived."),
        ("order",),
        "Order {order} is on its way.",
    ),
    "cancel": Request(
        ("I want to cancel my order.", "I no longer need the {item}."),
        ("order",),
        "Order {order} is cancelled.",
    ),
    "hours": Request(
        ("When does the shop open?", "I would like to visit your shop."),
        ("city", "day"),
        "The shop in {city} opens at nine on {day}.",
    ),
    "address": Request(
        ("I have moved to a new city.", "Please send my {item} to another city."),
        ("order", "city"),
        "Order {order} goes to {city}.",
    ),
}
QUESTIONS = {
    "order": ("What is your order number?", "Could you please tell me your order number?"),
    "reason": ("Why do you send it back?", "May I ask why you send it back?"),
    "city": ("Which city?", "In which city, please?"),
    "day": ("Which day?", "On which day, please?"),
}
"""The agent's questions for each slot: a short one and a polite one."""

COURTESY = "Thank you. "
"""Beginning of a polite grant."""

ANSWERS = {
    "order": "It is {order}.",
    "reason": "Because {reason}.",
    "city": "In {city}.",
    "day": "On {day}.",
}
_KEYWORDS = {"order": "number", "reason": "why", "city": "which city", "day": "which day"}
_POLITE = ("please", "thank", "may i", "sorry")
NOT_UNDERSTOOD = "I do not understand."
GOODBYE = "Thank you, goodbye."
NUM_VALUES = 8
"""Number of customers, with slot values drawn anew, for each item and opening of a request."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation so far.

    Attributes:
        known: Value of each slot that the customer has revealed.
        replies: The customer's lines, the opening first.
        is_satisfied: Whether the last line of the agent granted the request.
        is_over: Whether the customer has ended the conversation.
    """

    known: dict[str, str]
    replies: list[str]
    is_satisfied: bool
    is_over: bool


@dataclass(frozen=True, slots=True)
class Customer:
    """A customer with one request.

    Attributes:
        request: Name in `REQUESTS`.
        opening: The customer's first line.
        values: Value of each slot of the request.
    """

    request: str
    opening: str
    values: dict[str, str]

    @property
    def description(self) -> str:
        """Request and slot values as one text."""
        return " ".join([self.request, *self.values.values()])

    @property
    def split(self) -> str:
        """Split of the customer; request and slot values are held out together."""
        return split_of(self.description, held_out=0.1)

    @property
    def grant(self) -> str:
        """The agent's line that grants the request."""
        return REQUESTS[self.request].grant.format(**self.values)

    def converse(self, turns: Sequence[str]) -> "Conversation":
        """Returns the conversation after the agent's lines."""
        replies, revealed, is_satisfied = [self.opening], set(), False
        for turn in turns:
            is_satisfied = self.is_satisfied(turn, revealed)
            answer, revealed = self.answer(turn, revealed)
            replies.append(answer)
        known = {slot: self.values[slot] for slot in revealed}
        return Conversation(known, replies, is_satisfied, is_over=is_satisfied)

    def options(self, turns: Sequence[str]) -> list[tuple[str, bool]]:
        """Returns the lines that an agent can choose from, all of which are allowed."""
        return [(line, True) for line in agent_lines(self.converse(turns).known)]

    def oracle_line(self, turns: Sequence[str]) -> str:
        """Returns the polite question for the first missing slot, or the polite grant."""
        known = self.converse(turns).known
        missing = [slot for slot in REQUESTS[self.request].slots if slot not in known]
        return QUESTIONS[missing[0]][1] if missing else COURTESY + self.grant

    def is_satisfied(self, reply: str, revealed: set[str]) -> bool:
        """Returns whether a reply grants the request and every slot was revealed before."""
        return set(REQUESTS[self.request].slots) <= revealed and self.grant in reply

    def answer(self, reply: str, revealed: set[str]) -> tuple[str, set[str]]:
        """Returns the customer's next line, and the slots revealed up to and including it."""
        if self.is_satisfied(reply, revealed):
            return GOODBYE, revealed
        asked = asked_slot(reply)
        if asked not in self.values:
            return NOT_UNDERSTOOD, revealed
        return ANSWERS[asked].format(**self.values), revealed | {asked}


def asked_slot(reply: str) -> str | None:
    """Returns the slot that an agent's line asks for; None if it asks for none."""
    return next((slot for slot, words in _KEYWORDS.items() if words in reply.lower()), None)


def is_polite(reply: str) -> bool:
    """Returns whether an agent's line contains a polite word."""
    return any(word in reply.lower() for word in _POLITE)


def agent_lines(revealed: dict[str, str]) -> list[str]:
    """Returns the lines that an agent can choose from: questions, then grants, in a fixed order.

    Each has a short and a polite form.

    Args:
        revealed: Values of the revealed slots; the other slots are written as "it".
    """
    filled = {slot: revealed.get(slot, "it") for slot in VALUES}
    grants = [request.grant.format(**filled) for request in REQUESTS.values()]
    asked = [question for forms in QUESTIONS.values() for question in forms]
    return asked + [text for grant in grants for text in (grant, COURTESY + grant)]


def all_customers() -> list[Customer]:
    """Returns the same customers on every call, `NUM_VALUES` for each request, item and opening."""
    rng = np.random.default_rng(0)
    customers = []
    for (name, request), item in itertools.product(REQUESTS.items(), ITEMS):
        for opening, _ in itertools.product(request.openings, range(NUM_VALUES)):
            values = {slot: str(rng.choice(VALUES[slot])) for slot in request.slots}
            customers.append(Customer(name, opening.format(item=item), values))
    return customers
