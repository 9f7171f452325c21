"""Least-recently-used cache of computed values. Knows nothing of what it stores."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class LRUCache(Generic[Key, Value]):
    """Values by key; the least recently used are removed when the cache is full.

    Args:
        capacity: Largest total size of the stored values: their number, unless `size` is given.
        size: Size of a value, such as its bytes; None counts each value as 1.

    Attributes:
        capacity: As given.
        total_size: Size of the stored values.
    """

    def __init__(self, capacity: int, size: Callable[[Value], int] | None = None) -> None:
        self.capacity, self.total_size = capacity, 0
        self._size = size
        self._values: OrderedDict[Key, Value] = OrderedDict()

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
                self._store(key, value)
        return [found[key] for key in keys]

    def _store(self, key: Key, value: Value) -> None:
        size = self._size_of(value)
        if size > self.capacity:
            return
        self._values[key] = value
        self.total_size += size
        while self.total_size > self.capacity:
            _, oldest = self._values.popitem(last=False)
            self.total_size -= self._size_of(oldest)

    def _size_of(self, value: Value) -> int:
        return 1 if self._size is None else self._size(value)
