from collections import Counter

import pytest

from lm_envs.tasks.simulators import customer_wordings as wordings
from lm_envs.tasks.simulators.customer import REQUESTS
from lm_envs.tasks.simulators.customer_population import COUNTS, Population, varied_customers
from lm_envs.tasks.simulators.varied_customer import MOODS


def test_customers_are_the_same_on_every_call():
    first = varied_customers("validation")
    varied_customers.cache_clear()
    assert varied_customers("validation") == first


def test_each_split_has_its_own_customers():
    found = {split: varied_customers(split) for split in COUNTS}
    openings = {name: {each.opening for each in customers} for name, customers in found.items()}
    assert not openings["train"] & openings["test"]
    assert {name: len(customers) for name, customers in found.items()} == COUNTS
    for name, customers in found.items():
        assert {each.split for each in customers} == {name}
        assert len({each.description for each in customers}) == COUNTS[name]


def test_moods_and_requests_are_about_equally_frequent():
    customers = varied_customers("train")
    for counts, kinds in (
        (Counter(each.mood for each in customers), MOODS),
        (Counter(each.request for each in customers), REQUESTS),
    ):
        assert set(counts) == set(kinds)
        assert max(counts.values()) < 1.2 * min(counts.values())


def test_a_quarter_state_one_mistaken_value():
    customers = varied_customers("train")
    mistakes = [sum(c.stated[slot] != c.values[slot] for slot in c.values) for c in customers]
    assert set(mistakes) == {0, 1}
    assert 0.2 < sum(mistakes) / len(customers) < 0.3


def test_another_seed_draws_other_customers_with_the_same_wordings():
    first, second = varied_customers("test"), varied_customers("test", Population(seed=1))
    assert len(first) == len(second) == COUNTS["test"]
    assert not {each.draws for each in first} & {each.draws for each in second}
    greetings = wordings.GREETINGS["hurried"].get("test")
    for customers in (first, second):
        assert {text for text in greetings for c in customers if c.opening.startswith(text)} == {
            *greetings
        }


def test_a_population_has_the_given_size_in_each_split():
    for split in COUNTS:
        assert len(varied_customers(split, Population(seed=2, size=30))) == 30


def test_numbers_that_make_no_population_are_refused():
    for options in ({"seed": -1}, {"size": 0}):
        with pytest.raises(ValueError, match=f"Got {next(iter(options))}="):
            Population(**options)
