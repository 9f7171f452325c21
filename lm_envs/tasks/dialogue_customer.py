"""A scripted customer of a shop: what they want, what they say, and when they are content.

Owns the words of both sides. Knows nothing of models, tokens or rewards.
"""

import itertools
from dataclasses import dataclass

import numpy as np

from lm_envs.tasks import splits

ITEMS = ("lamp", "chair", "coat", "book", "phone", "camera", "kettle", "table")
VALUES = {
    "order": tuple(f"{letter}{digit}" for letter in "ABCDEFGH" for digit in range(1, 9)),
    "reason": ("it is broken", "it is too small", "I do not like it", "it came too late"),
    "city": ("Lyon", "Berlin", "Oslo", "Rome", "Madrid", "Vienna", "Dublin", "Athens"),
    "day": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
}
"""What each slot can hold."""


@dataclass(frozen=True, slots=True)
class Wish:
    """One kind of request: how it is put, what the shop must learn, and how it is granted."""

    openings: tuple[str, ...]
    slots: tuple[str, ...]
    grant: str


WISHES = {
    "return": Wish(
        ("I want to return a {item}.", "Can I send this {item} back?"),
        ("order", "reason"),
        "The return of order {order} is booked, since {reason}.",
    ),
    "status": Wish(
        ("Where is my {item}?", "My {item} has not arrived."),
        ("order",),
        "Order {order} is on its way.",
    ),
    "cancel": Wish(
        ("I want to cancel my order.", "I no longer need the {item}."),
        ("order",),
        "Order {order} is cancelled.",
    ),
    "hours": Wish(
        ("When does the shop open?", "I would like to visit your shop."),
        ("city", "day"),
        "The shop in {city} opens at nine on {day}.",
    ),
    "address": Wish(
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
"""How an agent asks for each slot: curtly, and politely."""

COURTESY = "Thank you. "
"""How a polite agent begins to grant a wish."""

ANSWERS = {
    "order": "It is {order}.",
    "reason": "Because {reason}.",
    "city": "In {city}.",
    "day": "On {day}.",
}
_KEYWORDS = {"order": "number", "reason": "why", "city": "which city", "day": "which day"}
_POLITE = ("please", "thank", "may i", "sorry")
PUZZLED = "I do not understand."
CONTENT = "Thank you, goodbye."


@dataclass(frozen=True, slots=True)
class Customer:
    """Somebody with a wish.

    Attributes:
        wish: Name in `WISHES`.
        opening: Their first line.
        values: What each slot of the wish holds for them.
    """

    wish: str
    opening: str
    values: dict[str, str]

    @property
    def told(self) -> str:
        """What is wished and what there is to tell, in one text."""
        return " ".join([self.wish, *self.values.values()])

    def is_content(self, reply: str, told: set[str]) -> bool:
        """Whether a reply grants the wish, every slot having been told before."""
        granted = WISHES[self.wish].grant.format(**self.values)
        return set(WISHES[self.wish].slots) <= told and granted in reply

    def answer(self, reply: str, told: set[str]) -> tuple[str, set[str]]:
        """The customer's next line, and the slots told by now."""
        if self.is_content(reply, told):
            return CONTENT, told
        asked = next((s for s, words in _KEYWORDS.items() if words in reply.lower()), None)
        if asked not in self.values:
            return PUZZLED, told
        return ANSWERS[asked].format(**self.values), told | {asked}


def split_of(customer: Customer) -> str:
    """Split of a customer, held out by what is wished and told together."""
    return splits.split_of(customer.told, held_out=0.1)


def is_polite(reply: str) -> bool:
    """Whether an agent's line holds a word of courtesy."""
    return any(word in reply.lower() for word in _POLITE)


def replies(known: dict[str, str]) -> list[str]:
    """Everything an agent can sensibly say, in a fixed order: questions, then grants.

    Each is there curtly and politely. A slot that was not told is written as "it".
    """
    filled = {slot: known.get(slot, "it") for slot in VALUES}
    grants = [wish.grant.format(**filled) for wish in WISHES.values()]
    asked = [question for forms in QUESTIONS.values() for question in forms]
    return asked + [text for grant in grants for text in (grant, COURTESY + grant)]


def customers(num_values: int = 8) -> list[Customer]:
    """Every kind of customer: each opening of each wish with `num_values` draws of its slots."""
    rng = np.random.default_rng(0)
    found = []
    for (name, wish), item in itertools.product(WISHES.items(), ITEMS):
        for opening, _ in itertools.product(wish.openings, range(num_values)):
            values = {slot: str(rng.choice(VALUES[slot])) for slot in wish.slots}
            found.append(Customer(name, opening.format(item=item), values))
    return found
