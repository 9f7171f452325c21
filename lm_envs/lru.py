"""Caches of computed values: the least recently used are removed. Knows nothing of what it stores.

A cache of entries of any size is bounded by their memory: bounded by their number it would grow for
hours, and to any size.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Sequence
from threading import Lock
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class LRUCache(Generic[Key, Value]):
    """Values by key; the least recently used are removed when the cache is full.

    Args:
        capacity: Largest total size of the stored values: their number, unless `size` is given.
        size: Size of a key and its value, such as their bytes; None counts each value as 1. It must
            not change while they are stored.

    Attributes:
        capacity: As given.
        total_size: Size of the stored values.
    """

    def __init__(self, capacity: int, size: Callable[[Key, Value], int] | None = None) -> None:
        self.capacity, self.total_size = capacity, 0
        self._size = size
        self._values: OrderedDict[Key, Value] = OrderedDict()

    @property
    def values(self) -> list[Value]:
        """The stored values, the least recently used first."""
        return list(self._values.values())

    def __contains__(self, key: Key) -> bool:
        return key in self._values

    def get_or_compute(
        self, keys: Sequence[Key], compute: Callable[[list[int]], Iterable[Value]]
    ) -> list[Value]:
        """The values of some keys; those that are not stored are computed and stored.

        A value larger than the whole cache is returned but not stored.

        Args:
            keys: May contain a key several times.
            compute: Takes indices into `keys` and returns a value for each. It is called at most
                once, with one index for each key that is not stored.
        """
        found = {key: self._values[key] for key in keys if key in self._values}
        for key in found:
            self._values.move_to_end(key)
        missing = {key: index for index, key in enumerate(keys) if key not in found}
        if missing:
            values = compute(list(missing.values()))
            for key, value in zip(missing, values, strict=True):
                found[key] = value
                self.store(key, value)
        return [found[key] for key in keys]

    def store(self, key: Key, value: Value) -> None:
        """Stores a value, unless its key is stored or it is larger than the whole cache."""
        size = self._size_of(key, value)
        if size > self.capacity or key in self._values:
            return
        self._values[key] = value
        self.total_size += size
        while self.total_size > self.capacity:
            self.total_size -= self._size_of(*self._values.popitem(last=False))

    def memoize(self, function: Callable[[Key], Value]) -> Callable[[Key], Value]:
        """Returns a function whose values are stored here; several threads may call it.

        Nothing else may store values in this cache: the lock belongs to the returned function.

        Args:
            function: Takes one key; never returns None.
        """
        lock = Lock()
        find, mark_used = self._values.get, self._values.move_to_end  # calls of C: at 0.1 us a hit

        def cached(key: Key) -> Value:
            value = find(key)
            if value is None:
                value = function(key)
                with lock:
                    self.store(key, value)
            else:
                try:  # noqa: SIM105 - suppress() would be three calls of Python
                    mark_used(key)
                except KeyError:  # another thread has removed it
                    pass
            return value

        return cached

    def _size_of(self, key: Key, value: Value) -> int:
        return 1 if self._size is None else self._size(key, value)
