from collections import Counter

from lm_envs.tasks.simulators.customer import REQUESTS
from lm_envs.tasks.simulators.customer_population import COUNTS, varied_customers
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
