import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from lm_envs.lru import LRUCache


class Computer:
    """Returns each key in upper case and counts what it computed."""

    def __init__(self, cache):
        self.cache, self.computed = cache, []

    def get(self, *keys):
        def compute(indices):
            self.computed += [keys[index] for index in indices]
            return [keys[index].upper() for index in indices]

        return self.cache.get_or_compute(keys, compute)


def test_a_stored_value_is_not_computed_again():
    computer = Computer(LRUCache(4))
    assert computer.get("a", "b", "a") == ["A", "B", "A"]
    assert computer.get("b", "c") == ["B", "C"]
    assert computer.computed == ["a", "b", "c"]


def test_values_stand_in_the_order_of_their_last_use():
    computer = Computer(LRUCache(3))
    computer.get("a", "b", "c")
    computer.get("a")
    assert computer.cache.values == ["B", "C", "A"]


def test_nothing_is_computed_for_no_keys():
    computer = Computer(LRUCache(4))
    assert computer.get() == []
    assert computer.computed == []


def test_the_least_recently_used_value_is_removed():
    computer = Computer(LRUCache(2))
    computer.get("a", "b")
    computer.get("a")
    computer.get("c")
    assert [key in computer.cache for key in "abc"] == [True, False, True]


def test_more_keys_than_capacity_are_all_returned():
    computer = Computer(LRUCache(2))
    assert computer.get("a", "b", "c") == ["A", "B", "C"]
    assert [key in computer.cache for key in "abc"] == [False, True, True]


def test_sizes_bound_the_total_and_a_value_too_large_removes_no_other():
    computer = Computer(LRUCache(5, lambda key, value: len(value)))
    computer.get("aa", "bb")
    assert computer.get("cccccc") == ["CCCCCC"]
    assert [key in computer.cache for key in ("aa", "bb", "cccccc")] == [True, True, False]
    computer.get("dd")
    assert computer.cache.total_size == 4
    assert "aa" not in computer.cache


def test_a_memoized_value_that_was_asked_for_stays_longest():
    computed = []
    cached = LRUCache(2).memoize(lambda key: computed.append(key) or key)
    assert [cached(key) for key in "abacab"] == list("abacab")
    assert computed == list("abcb")


def test_a_memoized_function_keeps_no_more_memory_than_allowed():
    alive = []

    def compute(number):
        made = np.full(1000, number, np.uint8)
        alive.append(weakref.ref(made))
        return made

    get = LRUCache(10_500, lambda number, made: made.nbytes).memoize(compute)
    assert [get(number)[0] for number in [*range(100), 99, 95]] == [*range(100), 99, 95]
    assert len(alive) == 100
    assert sum(reference() is not None for reference in alive) == 10


def test_threads_share_a_memoized_function():
    get = LRUCache(50, lambda number, text: len(text)).memoize(str)
    with ThreadPoolExecutor(4) as pool:
        numbers = [number % 70 for number in range(400)]
        assert list(pool.map(get, numbers)) == list(map(str, numbers))
