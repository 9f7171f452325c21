"""Values by key, of which those used last are remembered."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class LRUCache(Generic[Key, Value]):
    """Values by key; those used longest ago make room for new ones.

    Args:
        most: How many are kept.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: OrderedDict[Key, Value] = OrderedDict()

    def of(self, keys: Sequence[Key], find: Callable[[list[int]], Iterable[Value]]) -> list[Value]:
        """Values of some keys; `find` gives those at places of keys that are unknown.

        It is asked once, if at all, and about one place of each key.
        """
        found = {key: self._values[key] for key in keys if key in self._values}
        new = {key: place for place, key in enumerate(keys) if key not in found}
        if new:
            found |= zip(new, find(list(new.values())), strict=True)
        for key, value in found.items():
            self._values[key] = value
            self._values.move_to_end(key)
        while len(self._values) > self._most:
            self._values.popitem(last=False)
        return [found[key] for key in keys]
