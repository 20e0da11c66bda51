"""What subscriptions have in common: who asks for the same of an event gets the same bytes, executed and encoded once.

Does no I/O.
"""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from graphql import FieldNode, FragmentDefinitionNode, Node, OperationDefinitionNode, VariableNode

# A crowd at the head of the log needs a few events, one that comes back after an outage those it missed.
COUNT = 1_000
BYTES = 4 * 1024 * 1024

Key = tuple[bytes, str, str | None]
"""A selection, a cursor and its `prev`: all that an event's answer depends on."""


def selection_key(
    query: str,
    variables: Mapping[str, Any] | None,
    operation: OperationDefinitionNode,
    fragments: Mapping[str, FragmentDefinitionNode],
) -> bytes:
    """Equal for operations that show every event alike.

    The arguments of the root field choose the events, and where to begin: who has resumed shares with who has not.
    """
    names = set(_variables_of_selection(operation, fragments))
    chosen = {name: value for name, value in (variables or {}).items() if name in names}
    name = operation.name.value if operation.name else None
    return hashlib.sha256(msgspec.json.encode((query, name, chosen), order="deterministic")).digest()


def _variables_of_selection(
    operation: OperationDefinitionNode, fragments: Mapping[str, FragmentDefinitionNode]
) -> Iterator[str]:
    waiting: list[object] = [operation.directives, *fragments.values()]
    for root in operation.selection_set.selections:
        waiting += (root.directives, root.selection_set) if isinstance(root, FieldNode) else (root,)
    while waiting:
        node = waiting.pop()
        if isinstance(node, VariableNode):
            yield node.name.value
        elif isinstance(node, Node):
            waiting += (getattr(node, key) for key in node.keys)
        elif isinstance(node, tuple):
            waiting += node


class SharedAnswers:
    """The answers told last, encoded: up to `count` of them and `bytes_` in all. An error shows its caller's trace, so put in
    only what has none."""

    def __init__(self, *, count: int = COUNT, bytes_: int = BYTES) -> None:
        self._count = count
        self._bytes = bytes_
        self._kept: dict[Key, bytes] = {}
        self.size = 0

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Key) -> bytes | None:
        return self._kept.get(key)

    def put(self, key: Key, encoded: bytes) -> None:
        self.size += len(encoded) - len(self._kept.get(key, b""))
        self._kept[key] = encoded
        # The oldest goes first, and not the one used least: a crowd goes through the events together and leaves them behind.
        while len(self._kept) > self._count or self.size > self._bytes:
            self.size -= len(self._kept.pop(next(iter(self._kept))))
