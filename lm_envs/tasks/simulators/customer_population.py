"""The varied customers of each split, the same on every call.

Owns the shares of moods, vague openings, given values and mistakes. Does not know how
customers react.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from lm_envs.tasks.simulators import customer_wordings as wordings
from lm_envs.tasks.simulators.customer import ITEMS, REQUESTS, VALUES
from lm_envs.tasks.simulators.customer_wordings import Pool
from lm_envs.tasks.simulators.varied_customer import DOUBT, MOODS, VariedCustomer
from lm_envs.tasks.splits import SPLITS
from lm_envs.validation import check_count

COUNTS = {"train": 12_000, "validation": 600, "test": 600}
PATIENCE = {"hurried": (4, 5), "formal": (6, 7), "easy": (7, 8)}
"""Numbers of lines before a customer leaves, by mood; both are equally likely."""

GREETED, VAGUE, GIVEN, MISTAKEN = 0.6, 0.35, 0.3, 0.25
"""Chances that the opening shows the mood, that it does not name the request, that it states the
value of a slot, and that one of the values that the customer states is mistaken."""

NUM_LINES, DRAWS_PER_LINE = 12, 6


@dataclass(frozen=True, slots=True)
class Population:
    """Which varied customers there are.

    Attributes:
        seed: Of the draws; the wordings of each split are the same for every seed.
        size: Number of customers of each split; None for those of `COUNTS`.

    Raises:
        ValueError: If a number is no whole number, or too small.
    """

    seed: int = 0
    size: int | None = None

    def __post_init__(self) -> None:
        check_count("seed", self.seed, least=0)
        if self.size is not None:
            check_count("size", self.size)


FIRST = Population()


@lru_cache(maxsize=2 * len(COUNTS))
def varied_customers(split: str, population: Population = FIRST) -> tuple[VariedCustomer, ...]:
    """Returns the customers of "train", "validation" or "test"; no description occurs twice."""
    # The seeds differ, so that no customer of one split has the draws of another's.
    place = SPLITS.index(split)
    rng = np.random.default_rng([place, population.seed] if population.seed else place)
    found: dict[str, VariedCustomer] = {}
    while len(found) < (population.size or COUNTS[split]):
        customer = _draw(split, rng)
        found.setdefault(customer.description, customer)
    return tuple(found.values())


def _draw(split: str, rng: np.random.Generator) -> VariedCustomer:
    request, mood = str(rng.choice(list(REQUESTS))), str(rng.choice(MOODS))
    item, is_vague = str(rng.choice(ITEMS)), bool(rng.random() < VAGUE)
    slots = REQUESTS[request].slots
    values = {slot: str(rng.choice(VALUES[slot])) for slot in slots}
    given = tuple(slot for slot in slots if slot != "reason" and rng.random() < GIVEN)
    stated = dict(values)
    if rng.random() < MISTAKEN:
        slot = str(rng.choice([slot for slot in slots if slot != "reason"]))
        stated[slot] = str(rng.choice([each for each in VALUES[slot] if each != values[slot]]))
    doubted = {s for s in given if rng.random() < DOUBT[stated[s] != values[s]]}
    opening = _opening(split, rng, mood, "" if is_vague else request, item)
    for slot in given:
        opening += f" {_one(wordings.STATEMENTS[slot], split, rng).format(stated[slot])}"
        opening += f" {_one(wordings.DOUBTS, split, rng)}" if slot in doubted else ""
    patience = int(rng.choice(PATIENCE[mood]))
    draws = tuple(map(tuple, rng.random((NUM_LINES, DRAWS_PER_LINE)).tolist()))
    return VariedCustomer(
        request, item, values, stated, mood, patience, given, is_vague, opening, split, draws
    )


def _opening(split: str, rng: np.random.Generator, mood: str, named: str, item: str) -> str:
    """Returns a greeting and a sentence about a request, which is "" for a vague one."""
    greeting = _one(wordings.GREETINGS[mood if rng.random() < GREETED else ""], split, rng)
    pool = wordings.WISHES[named] if named else wordings.VAGUE
    return f"{greeting} {_one(pool, split, rng).format(item=item)}"


def _one(pool: Pool, split: str, rng: np.random.Generator) -> str:
    return str(rng.choice(pool.get(split)))
