"""What subscriptions have in common: who asks for the same of an event gets the same answer. Does no I/O."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from graphql import FieldNode, FragmentDefinitionNode, Node, OperationDefinitionNode, VariableNode


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
    return hashlib.sha256(
        msgspec.json.encode((query, name, chosen), order="deterministic")
    ).digest()


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
