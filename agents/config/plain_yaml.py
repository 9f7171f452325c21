"""YAML as plain values: small, shallow, without tags that make objects and without repeated keys.

Owns the limits of a document. Knows nothing of what the keys mean.
"""

from collections.abc import Hashable
from typing import Any

import yaml

MAX_DEPTH = 20
MAX_VALUES = 20_000
"""Limits on the nesting, and on the values after aliases are replaced by what they stand for."""


def load_plain(text: str) -> Any:  # noqa: ANN401 - any YAML value
    """Returns the value of a YAML document.

    Aliases are allowed, but an alias may not stand for a value that contains it, and the document
    is refused if it would have too many values: a few lines of aliases can stand for billions.

    Raises:
        yaml.YAMLError: If it is malformed, has tags other than YAML's own, repeats a key, or
            exceeds a limit.
    """
    loader = _PlainLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _count(node, {}, set())
        return loader.construct_document(node)
    except (ValueError, OverflowError) as error:  # dates and numbers that Python does not have
        raise yaml.YAMLError(str(error)) from None
    finally:
        loader.dispose()


class _PlainLoader(yaml.SafeLoader):
    """PyYAML's safe loader with a limit on nesting and without repeated keys."""

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise yaml.YAMLError(f"it is nested more than {MAX_DEPTH} levels deep")
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            name = (key.tag, key.value) if isinstance(key, yaml.ScalarNode) else None
            if name in seen:
                raise yaml.YAMLError(f"the key {key.value!r} stands twice, {key.start_mark}")
            if name is not None:
                seen.add(name)
        return super().construct_mapping(node, deep)


def _count(node: yaml.Node, sizes: dict[int, int], parents: set[int]) -> int:
    """Returns the number of values that a node stands for.

    Args:
        node: Of the document.
        sizes: Numbers by the identity of nodes that were counted: an alias is the same node.
        parents: Identities of the nodes that contain this one.
    """
    if id(node) in parents:
        raise yaml.YAMLError("an alias stands for a value that contains it")
    if id(node) not in sizes:
        total, inside = 1, {*parents, id(node)}
        for each in node.value if isinstance(node, yaml.CollectionNode) else ():
            for part in each if isinstance(each, tuple) else (each,):
                total += _count(part, sizes, inside)
        if total > MAX_VALUES:
            raise yaml.YAMLError(f"it has more than {MAX_VALUES} values, aliases included")
        sizes[id(node)] = total
    return sizes[id(node)]
