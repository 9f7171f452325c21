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
    computer = Computer(LRUCache(5, len))
    computer.get("aa", "bb")
    assert computer.get("cccccc") == ["CCCCCC"]
    assert [key in computer.cache for key in ("aa", "bb", "cccccc")] == [True, True, False]
    computer.get("dd")
    assert computer.cache.total_size == 4
    assert "aa" not in computer.cache
